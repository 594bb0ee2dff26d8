package source_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// TestLikeIsHeldOnce reads a commit beside the one before it. Small files are
// read into the same memory each time; a large one is dropped again.
func TestLikeIsHeldOnce(t *testing.T) {
	const large = 2 << 20
	files := []entry{{name: "large", data: strings.Repeat("x", large)}}
	total := large
	for n := range 20 {
		data := strings.Repeat(string(rune('a'+n%26)), 100<<10)
		files, total = append(files, entry{name: fmt.Sprintf("dir/%d", n), data: data}), total+len(data)
	}
	before, err := readArchive(t, source.Limits{}, files...)
	if err != nil {
		t.Fatal(err)
	}
	next := archive(t, append(files, entry{name: "new", data: "y"})...)
	held := func(like ...*source.Memory) int {
		const trees = 4
		var kept [trees]*source.Memory
		var start, end runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&start)
		for i := range kept {
			if kept[i], err = source.ReadTarGz(t.Context(), bytes.NewReader(next), source.Archive{Like: like}); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&end)
		runtime.KeepAlive(kept)
		return int(int64(end.HeapAlloc)-int64(start.HeapAlloc)) / trees
	}
	if got := held(); got < total {
		t.Fatalf("a tree of %d bytes holds %d: this measures nothing", total, got)
	}
	const most = 10
	if got := held(before); got > total/most {
		t.Errorf("a tree that is like another one holds %d bytes of %d", got, total)
	}
	runtime.KeepAlive(before)
}

// TestLikeIsNotTaken reads random trees beside others in which names, sizes,
// kinds and contents are the same or are not.
func TestLikeIsNotTaken(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tree := func() []entry {
		var entries []entry
		for _, name := range []string{"a", "b", "dir/c", "dir/d", "e"} {
			switch random.IntN(5) {
			case 0:
			case 1:
				entries = append(entries, entry{name: name, link: "e"})
			case 2:
				entries = append(entries, entry{name: name + "/"})
			default:
				entries = append(entries, entry{name: name, data: strings.Repeat(string(rune('x'+random.IntN(2))), random.IntN(3))})
			}
		}
		return entries
	}
	var like []*source.Memory
	for range 200 {
		entries := tree()
		want, err := readArchive(t, source.Limits{}, entries...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := source.ReadTarGz(t.Context(), bytes.NewReader(archive(t, entries...)), source.Archive{Like: like})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "dir/c", "dir/d", "e"} {
			a, errA := want.ReadFile(name)
			b, errB := got.ReadFile(name)
			if !bytes.Equal(a, b) || fmt.Sprint(errA) != fmt.Sprint(errB) {
				t.Fatalf("%s: %q, %v; beside others: %q, %v", name, a, errA, b, errB)
			}
		}
		like = append([]*source.Memory{got}, like[:min(len(like), 3)]...)
	}
}
