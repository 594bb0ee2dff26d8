package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Runs is the folder with the folders of the runs on this machine.
func Runs() (string, error) {
	cache, err := programs.Cache()
	return filepath.Join(cache, "runs"), err
}

// lockName is the file that is locked as long as a process of the run's keeper or init is there.
const lockName = "lock"

// kernelSettings are those that a kubelet changes.
var kernelSettings = []string{"kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "vm/overcommit_memory", "vm/panic_on_oom"}

// Sweep removes what runs have left whose keeper was killed.
func Sweep() error {
	runs, err := Runs()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(runs)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		lock, free := lockRun(dir)
		if !free {
			continue
		}
		err = errors.Join(err, remove(dir), lock.Close())
	}
	return err
}

// lockRun locks the folder of a run. It is not free when another process has it.
func lockRun(dir string) (*os.File, bool) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, false
	}
	return f, true
}

// remove removes what a run that has ended has left. A folder without a configuration is one of a run that has not begun.
func remove(dir string) error {
	c, err := Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	for name, value := range c.Kernel {
		err = errors.Join(err, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644))
	}
	return errors.Join(err, removeGroups(c.Name), os.RemoveAll(dir))
}

// Keep runs a cluster in dir, which is in Runs, until ctx ends or a component of it does, and removes everything.
func Keep(ctx context.Context, dir string, wanted Wanted) (err error) {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return err
	}
	lock, free := lockRun(dir)
	if !free {
		return fmt.Errorf("another process runs a cluster in %s", dir)
	}
	defer lock.Close() //nolint:errcheck // nothing was written
	if err := os.WriteFile(filepath.Join(dir, "keeper"), fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	edge, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer edge.Close()   //nolint:errcheck // the process has its own
	_ = listener.Close() // edge keeps it open
	c := &Config{Name: filepath.Base(dir), Dir: dir, Planes: wanted.Planes, Programs: wanted.Programs, Proxy: listener.Addr().String(), Kernel: map[string]string{}}
	for _, name := range kernelSettings {
		if data, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			c.Kernel[name] = strings.TrimSpace(string(data))
		}
	}
	if err := c.write(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(dir)) }()
	if err := c.writePKI(); err != nil {
		return err
	}
	for _, sub := range []string{"git", registryDir} {
		if err := os.MkdirAll(c.path(sub), 0o700); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "init", dir)
	// The standard input keeps it: init's supervisor ends when it does.
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer input.Close() //nolint:errcheck // closed already when the process has ended
	log, err := os.Create(c.path("logs", "supervisor.log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{edge, lock}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = ofItsOwn()
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running the cluster: %w; the supervisor says:\n%s", err, tail(log.Name(), 3000))
	}
	return nil
}

// NewRun is a folder for a run, with a name that no other run has.
func NewRun() (string, error) {
	runs, err := Runs()
	if err != nil {
		return "", err
	}
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	dir := filepath.Join(runs, "cp-e2e-"+hex.EncodeToString(b))
	return dir, os.MkdirAll(dir, 0o700)
}
