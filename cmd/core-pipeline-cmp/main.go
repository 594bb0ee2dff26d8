// Command core-pipeline-cmp is the sidecar of Argo CD's repo-server: it
// renders the application that Argo CD asks for. People use core-pipeline.
package main

import (
	"os"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	_ "github.com/core-pipeline/core-pipeline-cmp/cmd/internal/supervise" // a crash is one line
)

func main() { os.Exit(edge.Main(newApp(os.Stdout, os.Stderr, os.Getenv))) }
