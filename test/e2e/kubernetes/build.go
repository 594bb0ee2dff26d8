package kubernetes

import (
	"context"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Program is the path of a program of Kubernetes. The first call of all builds
// it, which takes minutes.
func Program(t testing.TB, name string) string {
	t.Helper()
	return built(t, func(ctx context.Context) (string, error) { return programs.Kubernetes(ctx, name) })
}

func built(t testing.TB, build func(context.Context) (string, error)) string {
	t.Helper()
	path, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Module is the directory of a module, given as path@version.
func Module(t testing.TB, module string) string {
	t.Helper()
	return built(t, func(ctx context.Context) (string, error) { return programs.ModuleDir(ctx, module) })
}
