// Command core-pipeline is for people: it shows on a laptop what Argo CD
// would apply, and finds mistakes before a commit.
package main

import (
	"os"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	_ "github.com/core-pipeline/core-pipeline-cmp/cmd/internal/supervise" // a crash is one line
)

func main() { os.Exit(edge.Main(newApp(os.Stdout, os.Stderr))) }
