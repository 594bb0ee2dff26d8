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

	corev1 "k8s.io/api/core/v1"
)

const cgroupRoot = "/sys/fs/cgroup"

// group is a control group with the limits of a container: one folder with version 2 of control groups, one for each
// controller with version 1.
type group struct {
	memory, cpu string
	unified     bool
}

// newGroup makes a group. It skips the test where it may not.
func newGroup(t *testing.T, limits corev1.ResourceList) group {
	t.Helper()
	name := fmt.Sprintf("cp-app-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
	g := group{memory: filepath.Join(cgroupRoot, "memory", name), cpu: filepath.Join(cgroupRoot, "cpu", name)}
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		g = group{memory: filepath.Join(cgroupRoot, name), cpu: filepath.Join(cgroupRoot, name), unified: true}
	}
	memory, cpu := limits.Memory().Value(), limits.Cpu().MilliValue()
	const period = 100_000
	settings := map[string]int64{
		filepath.Join(g.memory, "memory.limit_in_bytes"): memory,
		filepath.Join(g.cpu, "cpu.cfs_period_us"):        period, filepath.Join(g.cpu, "cpu.cfs_quota_us"): cpu * period / 1000,
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
	if g.unified {
		problems = append(problems, os.WriteFile(filepath.Join(g.cpu, "cpu.max"), fmt.Appendf(nil, "%d %d", cpu*period/1000, period), 0o644))
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

// workingSet is what the kubelet reports, and evicts and scales by: what is used but for files that nobody uses.
func (g group) workingSet(t *testing.T) int64 {
	t.Helper()
	usage, inactive := "memory.usage_in_bytes", "total_inactive_file"
	if g.unified {
		usage, inactive = "memory.current", "inactive_file"
	}
	used, err := strconv.ParseInt(strings.TrimSpace(read(t, g.memory, usage)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return used - field(t, read(t, g.memory, "memory.stat"), inactive)
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
