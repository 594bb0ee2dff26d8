// Command e2e leaves a cluster with Argo CD to play with, and takes it away.
//
//	e2e up [bare]   boots and installs; with bare, Kubernetes only
//	e2e down
//	e2e build      builds what a cluster needs and keeps, and no more
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/addons"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	programs.Clean()
	addons.Clean()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	bare := len(args) == 2 && args[1] == "bare"
	switch {
	case len(args) >= 1 && args[0] == "up" && (len(args) == 1 || bare):
		return up(ctx, bare)
	case len(args) == 1 && args[0] == "down":
		return cluster.Down()
	case len(args) == 1 && args[0] == "build":
		return build(ctx)
	}
	return errors.New("say up, up bare, down or build")
}

// buildsAtOnce is how many builds run beside each other: what downloads or links leaves processors idle.
const buildsAtOnce = 2

// build fills the cache, what takes longest first. All that is wrong is reported.
func build(ctx context.Context) error {
	makers := []func() error{
		func() error { _, err := cluster.Programs(ctx); return err },
		func() error { _, err := images.ArgoCD(ctx); return err },
	}
	for _, a := range addons.All() {
		makers = append(makers, func() error { return a.Build(ctx) })
	}
	makers = append(makers,
		func() error { _, err := programs.CoreDNS(ctx); return err },
		func() error { _, err := images.Application(ctx, "1.0.0"); return err },
		func() error { _, err := images.Data(ctx); return err },
	)
	left := make(chan func() error, len(makers))
	for _, m := range makers {
		left <- m
	}
	close(left)
	problems := make(chan error, len(makers))
	var wait sync.WaitGroup
	for range buildsAtOnce {
		wait.Go(func() {
			for do := range left {
				problems <- do()
			}
		})
	}
	wait.Wait()
	close(problems)
	var all []error
	for err := range problems {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func up(ctx context.Context, bare bool) error {
	c, err := cluster.StartDetached(ctx, platform.Planes()...)
	if err != nil {
		return err
	}
	if !bare {
		p, err := platform.Install(ctx, c.Config)
		if err == nil {
			err = p.Bootstrap(ctx)
		}
		if err != nil {
			// It stays, so that one can look at what is wrong.
			slog.Error("the cluster runs, but what is on it is not complete", "error", err)
		}
		fmt.Printf("# what Argo CD follows: change it, commit, git push\ncd %s\n# lets go test ./live use it, again and again\nexport E2E_RUN=%s\n", p.Repository.Dir, c.Dir)
	}
	for _, p := range c.Planes {
		fmt.Printf("export KUBECONFIG=%s\n", c.Kubeconfig(p.Name))
	}
	fmt.Printf("# kubectl of the same version\nexport PATH=%s:$PATH\n# reaches Services and pods, too: curl --proxy http://%s http://<cluster IP>/\n# logs of all components: %s/logs\n# make e2e-down takes it away\n",
		c.BinDir(), c.Proxy, c.Dir)
	return nil
}
