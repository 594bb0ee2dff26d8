// Command e2e-cluster runs the clusters of the end-to-end tests. People use up and down, tests run, and the others are
// the roles that package cluster describes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e-cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "keep":
		// The file of the configuration is what the caller wants; keep fills in the rest.
		return keep(ctx, args[1], args[2] == "detached")
	case len(args) == 2:
		c, err := cluster.Open(args[1])
		if err != nil {
			return err
		}
		switch args[0] {
		case "init":
			return cluster.Init(c)
		case "supervise":
			return cluster.Supervise(untilInputEnds(ctx), c, os.NewFile(3, "edge"))
		case "edge":
			listener, err := cluster.EdgeListener()
			if err != nil {
				return err
			}
			return cluster.Edge(ctx, c, listener)
		}
	}
	return errors.New("give it a role and the folder of a run")
}

func keep(ctx context.Context, dir string, detached bool) error {
	if !detached {
		ctx = untilInputEnds(ctx)
	}
	wanted, err := cluster.ReadWanted(dir)
	if err != nil {
		return err
	}
	return cluster.Keep(ctx, dir, wanted)
}

// untilInputEnds ends the context with the process that has the other end of the standard input.
func untilInputEnds(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}
