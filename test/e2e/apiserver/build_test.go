package apiserver

import (
	"context"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// program is the path of a program of Kubernetes; the first call of all builds it.
func program(t *testing.T, name string) string {
	t.Helper()
	return built(t, func(ctx context.Context) (string, error) { return programs.Kubernetes(ctx, name) })
}

func built(t *testing.T, build func(context.Context) (string, error)) string {
	t.Helper()
	path, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}
