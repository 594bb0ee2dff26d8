package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// ofItsOwn gives a program a session, process numbers and mounts of its own. What runs in it ends when it does.
func ofItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
}

// Init is PID 1 of a run: it hides the machine's mounts, starts the supervisor and takes in orphans until that ends.
// What is still there then ends with it.
func Init(c *Config) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("keeping mounts from the machine: %w", err)
	}
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"tmpfs", "/run", "tmpfs"}, {"tmpfs", "/var/log", "tmpfs"}, {"tmpfs", "/var/lib/kubelet", "tmpfs"},
	} {
		if _, err := os.Stat(m.target); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := syscall.Mount(m.source, m.target, m.kind, syscall.MS_NOSUID|syscall.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child, err := os.StartProcess(self, []string{self, "supervise", c.Dir}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, os.NewFile(3, "edge")},
	})
	if err != nil {
		return err
	}
	go func() {
		for sig := range stop {
			_ = child.Signal(sig)
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if pid == child.Pid {
			if status.Exited() && status.ExitStatus() == 0 {
				return nil
			}
			return errors.New("the supervisor has ended with an error")
		}
	}
}
