package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// Limits of a whole run, far above what it needs: what leaks must not take the machine with it.
const (
	maxProcesses = 20_000
	maxMemory    = 14 << 30
)

// hierarchies are the roots of the control groups: one with version 2, one for each controller with version 1.
func hierarchies() (roots []string, unified bool) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, true
	}
	entries, _ := os.ReadDir(cgroupRoot)
	for _, e := range entries {
		// Controllers that are mounted together have links with their single names.
		if e.IsDir() && e.Name() != "unified" {
			roots = append(roots, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	return roots, false
}

// system is the group of what is not in a pod; nodes have groups of their own beside it.
const system = "system"

// makeGroups makes the groups of a run and puts this process, and so whatever it starts, into the one for the system.
func (c *Config) makeGroups() error {
	roots, unified := hierarchies()
	groups := []string{system}
	for _, n := range c.nodes() {
		groups = append(groups, n.name)
	}
	for _, root := range roots {
		top := filepath.Join(root, c.Name)
		for _, dir := range append([]string{""}, groups...) {
			at := filepath.Join(top, dir)
			if err := os.MkdirAll(at, 0o755); err != nil {
				return err
			}
			if unified && dir == "" {
				if err := delegate(root, at); err != nil {
					return err
				}
			}
			// A set without processors takes no process.
			for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
				if data, err := os.ReadFile(filepath.Join(filepath.Dir(at), name)); err == nil && !unified {
					if err := os.WriteFile(filepath.Join(at, name), data, 0o644); err != nil {
						return err
					}
				}
			}
		}
		for _, n := range c.nodes() {
			if err := favour(filepath.Join(top, n.name)); err != nil {
				return err
			}
		}
		for name, value := range map[string]int{"pids.max": maxProcesses, "memory.limit_in_bytes": maxMemory, "memory.max": maxMemory} {
			if _, err := os.Stat(filepath.Join(top, name)); err == nil {
				if err := os.WriteFile(filepath.Join(top, name), fmt.Append(nil, value), 0o644); err != nil {
					return err
				}
			}
		}
		if err := os.WriteFile(filepath.Join(top, system, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("entering the control group: %w", err)
		}
	}
	return nil
}

// favour gives the pods of a node four times the processor time that everything outside of pods has, when both want all
// of it: while the nodes unpack images a pod is to answer its probes.
func favour(group string) error {
	for name, value := range map[string]int{"cpu.shares": 4 * 1024, "cpu.weight": 4 * 100} {
		file := filepath.Join(group, name)
		if _, err := os.Stat(file); err != nil {
			continue // of the other version, or of another controller
		}
		if err := os.WriteFile(file, fmt.Append(nil, value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets a group's children have every controller.
func delegate(groups ...string) error {
	for _, g := range groups {
		data, err := os.ReadFile(filepath.Join(g, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for controller := range strings.FieldsSeq(string(data)) {
			if err := os.WriteFile(filepath.Join(g, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
				return fmt.Errorf("delegating %s: %w", controller, err)
			}
		}
	}
	return nil
}

// removeGroups removes the groups of a run, and ends what is still in them.
func removeGroups(name string) error {
	if name == "" || strings.ContainsAny(name, "/.") {
		return fmt.Errorf("%q is no name of a run", name)
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, top := range groupsOf(name) {
		for {
			err := removeGroup(top)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("removing the control groups of %s: %w", name, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// groupsOf are the groups of a run in all hierarchies. That of systemd's, which takes no limits with version 1, is among
// them: runc makes groups there, too.
func groupsOf(name string) []string {
	own, _ := filepath.Glob(filepath.Join(cgroupRoot, name))
	all, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", name))
	return append(own, all...)
}

func removeGroup(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, at)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	slices.Reverse(dirs)
	for _, dir := range dirs {
		// Nothing is left when the namespaces are gone; a run whose keeper and init were both killed is another matter.
		data, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for id := range strings.FieldsSeq(string(data)) {
			var pid int
			if _, scan := fmt.Sscan(id, &pid); scan == nil && pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if remove := os.Remove(dir); remove != nil && !errors.Is(remove, fs.ErrNotExist) {
			err = errors.Join(err, remove)
		}
	}
	return err
}
