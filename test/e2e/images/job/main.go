// Command job is in place of what a hook of the chart runs: it wants variables to have a value, and ends as it is told.
//
//	job [-exit N] [NAME …]
package main

import (
	"flag"
	"log"
	"os"
)

func main() {
	code := flag.Int("exit", 0, "end with this `code`")
	flag.Parse()
	for _, name := range flag.Args() {
		if os.Getenv(name) == "" {
			log.Fatalf("%s is not set", name)
		}
	}
	log.Printf("%d variables are set; ending with %d", flag.NArg(), *code)
	os.Exit(*code)
}
