package addons

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// module says how programs are built from a module that somebody publishes.
type module struct {
	name, path, version string
	// packages are built, relative to the module. A program is called as its package is.
	packages      []string
	tags, ldflags string
	// toolchain is the Go to build with; empty: that of the tests.
	toolchain string
	// prepare changes the copy of the module that is built; nil leaves it.
	prepare func(ctx context.Context, dir string) error
}

// Programs are the paths of the programs by their names, all in one directory. The first call builds them, which
// takes minutes of processor time; it needs the module proxy. Later calls, of other processes too, find them.
func (m module) Programs(ctx context.Context) (map[string]string, error) {
	key := m.name + "-" + m.version
	if m.toolchain != "" {
		key += "-" + m.toolchain
	}
	return cached(ctx, key, m.names(), func(ctx context.Context, scratch, out string) error {
		source := filepath.Join(scratch, "module")
		if err := copyModule(ctx, source, m.path, m.version); err != nil {
			return err
		}
		if m.prepare != nil {
			if err := m.prepare(ctx, source); err != nil {
				return err
			}
		}
		args := []string{"build", "-ldflags", strings.TrimSpace("-s -w " + m.ldflags), "-o", out + string(filepath.Separator)}
		if m.tags != "" {
			args = append(args, "-tags", m.tags)
		}
		env := programs.GoEnvironment()
		if m.toolchain != "" {
			env = append(env, "GOTOOLCHAIN="+m.toolchain)
		}
		_, err := programs.Run(ctx, source, env, "go", append(args, m.packages...)...)
		return err
	})
}

func (m module) names() []string {
	var names []string
	for _, p := range m.packages {
		if p == "." {
			p = m.path
		}
		names = append(names, path.Base(p))
	}
	return names
}

// cached is a directory of the user's cache with programs in it; what is missing is built beside it and renamed, so
// that an interrupted or a second run never sees half of it.
func cached(ctx context.Context, key string, names []string, build func(ctx context.Context, scratch, out string) error) (map[string]string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(cache, "core-pipeline-cmp", "e2e")
	dir := filepath.Join(parent, key+"-"+runtime.GOARCH)
	paths := map[string]string{}
	for _, name := range names {
		paths[name] = filepath.Join(dir, name)
	}
	if _, err := os.Stat(dir); err == nil {
		return paths, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	scratch, err := programs.Scratch(parent, "build")
	if err != nil {
		return nil, err
	}
	defer programs.RemoveScratch(scratch)
	out := filepath.Join(scratch, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return nil, err
	}
	if err := programs.Build(ctx, key, func() error { return build(ctx, scratch, out) }); err != nil {
		return nil, err
	}
	for name := range paths {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			return nil, fmt.Errorf("building %s made no %s", key, name)
		}
	}
	if err := os.Rename(out, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return paths, nil
}

// copyModule lays a module out where it can be built as its own project builds it: only in the main module do replace
// directives count. What it replaces by folders of its repository is not in the module; prepare has to bring it.
func copyModule(ctx context.Context, dir, path, version string) error {
	root, err := moduleDir(ctx, path, version)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, os.DirFS(root))
}

// moduleDir is where the module cache has a module.
func moduleDir(ctx context.Context, path, version string) (string, error) {
	return programs.ModuleDir(ctx, path+"@"+version)
}

// goTool runs the go command outside of this project's modules.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	return programs.Run(ctx, dir, programs.GoEnvironment(), "go", args...)
}
