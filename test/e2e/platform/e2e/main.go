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
	"path/filepath"
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

// build fills the cache, in the order in which programs have the most in common.
func build(ctx context.Context) error {
	if _, err := cluster.Programs(ctx); err != nil {
		return err
	}
	if _, err := programs.CoreDNS(ctx); err != nil {
		return err
	}
	if _, err := images.ArgoCD(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cp-e2e-build-")
	if err != nil {
		return err
	}
	defer programs.RemoveScratch(dir)
	for _, a := range addons.All() {
		if err := a.Archive(ctx, filepath.Join(dir, a.Name+".tar")); err != nil {
			return err
		}
	}
	if _, err := images.Application(ctx, dir, "1.0.0"); err != nil {
		return err
	}
	_, err = images.Data(ctx, dir)
	return err
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
