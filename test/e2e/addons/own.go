package addons

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// own builds a program of a folder of this module. It is small and changes with the checkout: nothing is kept of it
// but what the go command keeps.
func own(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		dir, err := scratch()
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, name)
		_, err = programs.Run(ctx, ".", append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-ldflags", "-s -w", "-o", file,
			"github.com/core-pipeline/core-pipeline-cmp/test/e2e/addons/"+name)
		return file, err
	}
}

var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "cp-addons-") })

// Clean removes what this run has built of this checkout. Call it when no test runs any more.
func Clean() {
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
}
