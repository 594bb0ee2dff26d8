package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// childMode lets the test's own program boot a cluster, say its folder, and wait to be ended.
const childMode = "E2E_CLUSTER_CHILD"

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

func needRoot(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		return
	}
	if os.Getenv("E2E_REQUIRED") != "" {
		t.Fatal("a cluster needs root on Linux")
	}
	t.Skip("a cluster needs root on Linux")
}

func TestChild(t *testing.T) {
	how := os.Getenv(childMode)
	if how == "" {
		t.Skip("only as a child of TestNothingStays")
	}
	c, err := Start(t.Context(), Plane{Name: "small", Zones: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("running", c.Dir)
	if how == "panic" {
		go panic("as a test may")
	}
	select {}
}

// TestNothingStays ends a test with a cluster in every way, and looks for what is left on the machine.
func TestNothingStays(t *testing.T) {
	needRoot(t)
	for name, end := range map[string]func(t *testing.T, child *exec.Cmd, dir string){
		"panic": func(*testing.T, *exec.Cmd, string) {},
		// A shell may have told what it runs in the background to ignore an interrupt; this it does not.
		"ended":  func(t *testing.T, child *exec.Cmd, _ string) { send(t, child.Process.Pid, syscall.SIGTERM) },
		"killed": func(t *testing.T, child *exec.Cmd, _ string) { send(t, child.Process.Pid, syscall.SIGKILL) },
		// Then nobody is left to remove the folder and the control groups; whoever starts the next cluster does.
		"keeper killed": func(t *testing.T, child *exec.Cmd, dir string) {
			send(t, keeper(t, dir), syscall.SIGKILL)
			send(t, child.Process.Pid, syscall.SIGKILL)
			until(t, "the lock", func() error {
				lock, free := lockRun(dir)
				if !free {
					return errors.New("a process of the run has it")
				}
				return lock.Close()
			})
			if err := Sweep(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := settings(t)
			child := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
			child.Env = append(os.Environ(), childMode+"="+name)
			// Of its own, so that the signal meets it and nobody else.
			child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			child.Stderr = &said
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			dir := ""
			for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
				dir, _ = strings.CutPrefix(lines.Text(), "running ")
				if !filepath.IsAbs(dir) {
					dir = ""
				}
			}
			if dir == "" {
				_ = child.Wait()
				t.Fatalf("the child has started no cluster: %s", &said)
			}
			if left(t, filepath.Base(dir)) == "" {
				t.Error("nothing is there while it runs: the test does not see what it looks for")
			}
			end(t, child, dir)
			late := time.AfterFunc(time.Minute, func() { _ = child.Process.Kill() })
			if err := child.Wait(); err == nil {
				t.Error("the child has ended well")
			}
			if !late.Stop() {
				t.Error("the child had to be killed")
			}
			until(t, "the end of "+dir, func() error {
				if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("its folder is there: %v", err)
				}
				return nil
			})
			if left := left(t, filepath.Base(dir)); left != "" {
				t.Errorf("left on the machine:\n%s", left)
			}
			if after := settings(t); after != before {
				t.Errorf("settings before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// settings are what a run could change of the machine: its network interfaces, and what kubelets change.
func settings(t *testing.T) string {
	t.Helper()
	var s strings.Builder
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		fmt.Fprintln(&s, l.Name)
	}
	for _, name := range kernelSettings {
		data, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&s, "%s %s", name, data)
	}
	return s.String()
}

// left is what there is with the name of a run: control groups, mounts and processes.
func left(t *testing.T, name string) string {
	t.Helper()
	var s strings.Builder
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	if err != nil {
		t.Fatal(err)
	}
	unified, err := filepath.Glob("/sys/fs/cgroup/" + name)
	if err != nil {
		t.Fatal(err)
	}
	s.WriteString(strings.Join(append(groups, unified...), "\n"))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, name) {
			s.WriteString(line)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if data, err := os.ReadFile(p); err == nil && bytes.Contains(data, []byte(name)) {
			fmt.Fprintf(&s, "%s\n", bytes.ReplaceAll(data, []byte{0}, []byte(" ")))
		}
	}
	return s.String()
}

func keeper(t *testing.T, dir string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "keeper"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
