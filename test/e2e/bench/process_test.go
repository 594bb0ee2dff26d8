package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tree is the ids of a process and of all its descendants.
func tree(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; state and parent come after it.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// field reads a number out of a file of lines such as "name: 12 kB".
func field(file, name string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0 // the process has ended
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}

// memory is what the peer's processes use of the machine: the sum of PSS.
func (p *peer) memory() int64 {
	total := int64(0)
	for _, pid := range tree(p.process.Pid) {
		total += field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss") << 10
	}
	return total
}

// written is what the peer's processes have written to disk, with those that have ended and were waited for.
func (p *peer) written() int64 {
	total := int64(0)
	for _, pid := range tree(p.process.Pid) {
		total += field(fmt.Sprintf("/proc/%d/io", pid), "write_bytes")
	}
	return total
}

// watch returns the highest memory until the returned function is called. One of our servers must not have a file
// on disk at any time.
func (p *peer) watch(tb testing.TB) (stop func() int64) {
	ctx, cancel := context.WithCancel(context.Background())
	peak := make(chan int64, 1)
	go func() {
		most := p.memory()
		const pause = 100 * time.Millisecond
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				peak <- max(most, p.memory())
				return
			case <-tick.C:
				most = max(most, p.memory())
				if p.isNative() && len(p.files()) > 0 {
					tb.Errorf("%s has files: %q", p.name, p.files())
				}
			}
		}
	}()
	return func() int64 {
		cancel()
		return <-peak
	}
}

// leftovers waits until nothing is left where the peer may write: an answer leaves before its directory is removed.
func (p *peer) leftovers(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		found := p.files()
		if len(found) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Logf("%s has left %d files and directories, such as %s", p.name, len(found), found[0])
			return
		}
	}
}

// files are what the peer has on disk now, but for caches that helm keeps.
func (p *peer) files() []string {
	var found []string
	for _, dir := range p.dirs {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && path != dir && filepath.Base(path) != "_cmp_server" {
				found = append(found, path)
			}
			return err
		})
	}
	return found
}
