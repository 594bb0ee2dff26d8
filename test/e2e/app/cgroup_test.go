package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

const cgroupRoot = "/sys/fs/cgroup"

// group is a control group with the limits of a container: one folder with version 2 of control groups, one for each
// controller with version 1.
type group struct {
	memory, cpu string
	unified     bool
}

// newGroup makes a group. It skips the test where it may not. Without a limit there is none.
func newGroup(t *testing.T, limits corev1.ResourceList) group {
	t.Helper()
	name := fmt.Sprintf("cp-app-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
	g := group{memory: filepath.Join(cgroupRoot, "memory", name), cpu: filepath.Join(cgroupRoot, "cpu", name)}
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		g = group{memory: filepath.Join(cgroupRoot, name), cpu: filepath.Join(cgroupRoot, name), unified: true}
	}
	const period = 100_000
	memory, quota := limits.Memory().Value(), limits.Cpu().MilliValue()*period/1000
	if quota == 0 {
		quota = -1
	}
	settings := map[string]int64{
		filepath.Join(g.memory, "memory.limit_in_bytes"): memory,
		filepath.Join(g.cpu, "cpu.cfs_period_us"):        period, filepath.Join(g.cpu, "cpu.cfs_quota_us"): quota,
	}
	if g.unified {
		settings = map[string]int64{filepath.Join(g.memory, "memory.max"): memory, filepath.Join(g.memory, "memory.swap.max"): 0}
	}
	var problems []error
	for _, dir := range []string{g.memory, g.cpu} {
		problems = append(problems, os.MkdirAll(dir, 0o755))
	}
	for file, value := range settings {
		problems = append(problems, os.WriteFile(file, fmt.Append(nil, value), 0o644))
	}
	if g.unified && quota > 0 {
		problems = append(problems, os.WriteFile(filepath.Join(g.cpu, "cpu.max"), fmt.Appendf(nil, "%d %d", quota, period), 0o644))
	}
	t.Cleanup(func() {
		for _, dir := range []string{g.memory, g.cpu} {
			// It is busy for a moment after its last process.
			for range 100 {
				if err := os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal(err)
		}
		t.Skip("making a control group needs root: ", err)
	}
	return g
}

// wrap is a command that runs another one in the group.
func (g group) wrap() []string {
	return []string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"`, g.memory, g.cpu}
}

// forget takes a file out of the kernel's cache: the group that reads it next is charged for it, as the first pod of an
// image on a node is.
func forget(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// use is what the group uses now. The working set is what the kubelet says it is: all but the pages of files that have
// not been asked for again.
func (g group) use(t *testing.T) use {
	t.Helper()
	usage, inactive, anonymous, mapped := "memory.usage_in_bytes", "total_inactive_file", "total_rss", "total_mapped_file"
	if g.unified {
		usage, inactive, anonymous, mapped = "memory.current", "inactive_file", "anon", "file_mapped"
	}
	used, err := strconv.ParseInt(strings.TrimSpace(read(t, g.memory, usage)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	stat := read(t, g.memory, "memory.stat")
	working := used - field(t, stat, inactive)
	return use{working, max(working, field(t, stat, anonymous)+field(t, stat, mapped))}
}

// kills is how many processes the kernel has killed because the group was full.
func (g group) kills(t *testing.T) int64 {
	t.Helper()
	if g.unified {
		return field(t, read(t, g.memory, "memory.events"), "oom_kill")
	}
	return field(t, read(t, g.memory, "memory.oom_control"), "oom_kill")
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// field reads a number out of lines such as "name 12".
func field(t *testing.T, text, name string) int64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}
