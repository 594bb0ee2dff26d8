package argocd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	testFunction = regexp.MustCompile(`(?m)^func (TestT(\d\d)\w+)\(`)
	trapRow      = regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)
)

// trapTests are all tests that carry the number of a trap, by that number.
func trapTests(t *testing.T) map[int][]string {
	t.Helper()
	out := map[int][]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(data), -1) {
			number, _ := strconv.Atoi(m[2])
			out[number] = append(out[number], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTraps holds the table of docs/traps.md to the tests that there are.
func TestTraps(t *testing.T) {
	data, err := os.ReadFile("../../docs/traps.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := trapTests(t)
	const traps = 30
	rows := trapRow.FindAllStringSubmatch(string(data), -1)
	if len(rows) != traps {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for i, row := range rows {
		number := i + 1
		if row[1] != strconv.Itoa(number) {
			t.Fatalf("row %d is number %s", number, row[1])
		}
		named := quoted.FindAllStringSubmatch(row[4], -1)
		if missing := row[4] == "none yet"; missing == (len(tests[number]) > 0) || missing == (len(named) > 0) {
			t.Errorf("trap %d names %q, there are %v", number, row[4], tests[number])
		}
		for _, m := range named {
			if !slices.Contains(tests[number], m[1]) {
				t.Errorf("trap %d has no test %s; there are %v", number, m[1], tests[number])
			}
		}
		delete(tests, number)
	}
	for number, names := range tests {
		t.Errorf("the table has no row %d for %v", number, names)
	}
}
