package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Cache is the folder of the user's cache in which the tests keep what they have built, one folder for each version of
// each thing.
func Cache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "core-pipeline-cmp", "e2e"), nil
}

// Scratch is a new folder in dir for something that is made there, which RemoveScratch takes away. What others with the
// same prefix have left that were killed goes first: nothing takes a day.
func Scratch(dir, prefix string) (string, error) {
	prefix = "." + prefix + "-"
	left, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, old := range left {
		if info, err := os.Stat(old); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			RemoveScratch(old)
		}
	}
	return os.MkdirTemp(dir, prefix)
}

// RemoveScratch removes a folder that is only used while something is made. What cannot be removed is in nobody's way:
// the next one has another name.
func RemoveScratch(dir string) { _ = os.RemoveAll(dir) }

// kept is the path of a program below Cache. The first call builds it, in a scratch folder, under its final name with
// something in front; it is renamed when it is complete, so that an interrupted or a second run never sees half of it.
func kept(ctx context.Context, key, name string, build func(ctx context.Context, scratch, target string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, key)
	program := filepath.Join(dir, name)
	if isProgram(program) {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	scratch, err := Scratch(dir, "build")
	if err != nil {
		return "", err
	}
	defer RemoveScratch(scratch)
	built := filepath.Join(scratch, name+".built")
	if err := Build(ctx, key+"/"+name, func() error { return build(ctx, scratch, built) }); err != nil {
		return "", err
	}
	return program, os.Rename(built, program)
}

// Build runs a build of minutes and logs what it has cost: the seconds it took, and those of processor time of all
// programs that ended meanwhile, in which builds beside it are counted, too.
func Build(ctx context.Context, what string, build func() error) error {
	slog.InfoContext(ctx, "building", "what", what)
	start, before := time.Now(), childTime()
	if err := build(); err != nil {
		return fmt.Errorf("building %s: %w", what, err)
	}
	slog.InfoContext(ctx, "built", "what", what, "seconds", int(time.Since(start).Seconds()), "processor", int((childTime() - before).Seconds()))
	return nil
}

// childTime is the processor time of the programs that this process has started and that have ended.
func childTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// GoEnvironment is that of a go command outside of this project's modules: without what a user's settings would change,
// and linking nothing of this machine's. Tables for debuggers, which the linker leaves out, are not made in the first
// place, and the compiler collects less garbage: together a sixth of the processor time of a build.
func GoEnvironment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod -gcflags=all=-dwarf=false", "GOWORK=off", "GOGC=400")
}

// goTool runs such a go command.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	return Run(ctx, dir, GoEnvironment(), "go", args...)
}

// ModuleDir is where the module cache has a module, given as path@version.
func ModuleDir(ctx context.Context, module string) (string, error) {
	out, err := goTool(ctx, os.TempDir(), "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var info struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return "", fmt.Errorf("reading where %s is: %w", module, err)
	}
	return info.Dir, nil
}
