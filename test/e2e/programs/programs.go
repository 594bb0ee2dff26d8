package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// ArgoCDModule is the module of Argo CD.
const ArgoCDModule = "github.com/argoproj/argo-cd/v3"

// scratch holds what the builds of this run leave behind. It is not a t.TempDir: the programs outlive the test that
// happens to build them.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "cp-e2e-") })

// Clean removes the programs of this checkout. Call it when no test runs any more.
func Clean() {
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// ArgoCD is the path of the real argocd-cmp-server. The argocd program is all of Argo CD's components in
// one and takes its role from the name it is started under. The result is kept by version: linking it alone costs
// more than every test here together.
var ArgoCD = sync.OnceValues(func() (string, error) {
	version, err := Run(context.Background(), ".", os.Environ(), "go", "list", "-m", "-f", "{{.Version}}", ArgoCDModule)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	key := strings.Join([]string{"argocd-stripped", strings.TrimSpace(version), runtime.Version(), runtime.GOOS, runtime.GOARCH}, "-")
	dir := filepath.Join(cache, "core-pipeline-cmp", "e2e", key)
	bin := filepath.Join(dir, "argocd-cmp-server")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Built beside its final name and renamed, so that an interrupted or a second run never sees half a program.
	tmp, err := Scratch(dir, "build")
	if err != nil {
		return "", err
	}
	defer RemoveScratch(tmp)
	built := filepath.Join(tmp, "argocd")
	// The environment is the one of this test: the packages are then compiled once for both.
	// Without tables for debuggers it is a third smaller: each of its images is unpacked, and copied by repo-server.
	ldflags := "-s -w -X " + ArgoCDModule + "/common.version=" + strings.TrimPrefix(strings.TrimSpace(version), "v")
	if err := Build(context.Background(), key, func() error {
		_, err := Run(context.Background(), ".", os.Environ(), "go", "build", "-ldflags", ldflags, "-o", built, ArgoCDModule+"/cmd")
		return err
	}); err != nil {
		return "", err
	}
	return bin, os.Rename(built, bin)
})

// Root is the project's own module. The module of this package lies in it.
var Root = sync.OnceValues(func() (string, error) {
	file, err := Run(context.Background(), ".", os.Environ(), "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(strings.TrimSpace(file)))), nil
})

// Project is a directory with the project's own programs, built from this checkout.
var Project = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	return dir, buildProject(root, "-o", dir+string(filepath.Separator), "./cmd/core-pipeline-cmp", "./cmd/core-pipeline")
})

// buildProject builds programs of the project with the Go that it is released with.
func buildProject(root string, args ...string) error {
	env, err := projectEnviron()
	if err != nil {
		return err
	}
	goTool := "go"
	for _, d := range filepath.SplitList(lookup(env, "PATH")) {
		if p := filepath.Join(d, "go"); isProgram(p) {
			goTool = p
			break
		}
	}
	_, err = Run(context.Background(), root, env, goTool, append([]string{"build", "-trimpath"}, args...)...)
	return err
}

// Floor is the path of the program in test/e2e/floor.
var Floor = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "floor")
	_, err = Run(context.Background(), ".", os.Environ(), "go", "build", "-o", file, "github.com/core-pipeline/core-pipeline-cmp/test/e2e/floor")
	return file, err
})

// projectEnviron undoes what running under a newer toolchain did to the environment, so that the project is built
// with the Go it is released with: go test puts its own GOROOT first in PATH, and GOTOOLCHAIN would insist on it.
func projectEnviron() ([]string, error) {
	root, err := Run(context.Background(), ".", os.Environ(), "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	own := filepath.Join(strings.TrimSpace(root), "bin")
	var env []string
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		switch name {
		case "GOTOOLCHAIN", "GOROOT", "GOFLAGS", "GOWORK", "CGO_ENABLED":
			continue
		case "PATH":
			var keep []string
			for _, d := range filepath.SplitList(value) {
				if d != own {
					keep = append(keep, d)
				}
			}
			// Where no other Go is installed, this one will do.
			kv = "PATH=" + strings.Join(append(keep, own), string(filepath.ListSeparator))
		}
		env = append(env, kv)
	}
	// No version control stamp: it is not tested here and a source archive has no repository to take it from.
	return append(env, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off"), nil
}

func lookup(env []string, name string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

func isProgram(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// Run returns the standard output of a program and puts its standard error into the error.
func Run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Own is the path of a program of this module, given as its package below it. It is built once in each run.
func Own(ctx context.Context, path string) (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, filepath.Base(path))
	_, err = Run(ctx, ".", append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-ldflags=-s -w", "-o", file, "github.com/core-pipeline/core-pipeline-cmp/test/e2e/"+path)
	return file, err
}
