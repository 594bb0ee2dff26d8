package bench

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// document is a page with a part that is computed.
type document struct{ file, name string }

var (
	benchmarksPage = document{"benchmarks.md", "servers"}
	sizingPage     = document{"sizing.md", "sizing"}
)

func (d document) path() string { return filepath.Join(moduleRoot, "docs", d.file) }

// with returns the page with another computed part, and whether it is another.
func (d document) with(tb testing.TB, part string) (text string, changed bool) {
	tb.Helper()
	data, err := os.ReadFile(d.path())
	if err != nil {
		tb.Fatal(err)
	}
	begin, end := "<!-- computed: "+d.name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(data), begin)
	old, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		tb.Fatalf("%s has no %q and %q", d.file, begin, end)
	}
	part = "\n" + strings.TrimSpace(part) + "\n\n"
	return before + begin + part + end + after, part != old
}

func parts(tb testing.TB, m Measured) map[document]string {
	tb.Helper()
	sizing, err := m.sizing()
	if err != nil {
		tb.Fatal(err)
	}
	return map[document]string{benchmarksPage: m.report(), sizingPage: sizing}
}

func updateDocuments(tb testing.TB, m Measured) {
	tb.Helper()
	for page, part := range parts(tb, m) {
		text, _ := page.with(tb, part)
		if err := os.WriteFile(page.path(), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestDocuments holds the pages to the figures that are recorded. UPDATE_DOCS=1 rewrites them, without measuring.
func TestDocuments(t *testing.T) {
	m, err := readMeasured()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("nothing is recorded; UPDATE_DOCS=1 make bench does that")
	} else if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		updateDocuments(t, m)
	}
	for page, part := range parts(t, m) {
		if _, changed := page.with(t, part); changed {
			t.Errorf("docs/%s does not have the recorded figures; UPDATE_DOCS=1 go test ./bench writes them", page.file)
		}
	}
}

func TestReplicas(t *testing.T) {
	c := Cost{Making: 10, Receiving: 20, Again: 5, Rendering: 30}
	if alone, together := c.Alone(0.5), c.Together(0.5); math.Abs(alone-45) > 1e-9 || math.Abs(together-30) > 1e-9 {
		t.Errorf("calls cost %v and %v ms, want 45 and 30", alone, together)
	}
	for _, tc := range []struct {
		load           Load
		spread, atOnce int
	}{
		{Load{Applications: 1, Minutes: 3}, 1, 1},
		{Load{Applications: 1000, Minutes: 1}, 2, 1},            // 60 s of work in 60 s; 45 s
		{Load{Applications: 1000, Minutes: 60, Hits: 1}, 1, 1},  // 30 s; 15 s
		{Load{Applications: 10000, Minutes: 10}, 2, 4},          // 600 s; 450 s
		{Load{Applications: 10001, Minutes: 10}, 3, 4},          // a little more
		{Load{Applications: 10000, Minutes: 10, Hits: 1}, 1, 2}, // 300 s; 150 s
	} {
		if spread, atOnce := Replicas(tc.load, c); spread != tc.spread || atOnce != tc.atOnce {
			t.Errorf("%+v: %d and %d replicas, want %d and %d", tc.load, spread, atOnce, tc.spread, tc.atOnce)
		}
	}
}
