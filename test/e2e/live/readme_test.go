package live

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestReadme: the table of criteria names for each of them tests that are here, and every test that is one.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (TestCriterion\w+)\(`).FindAllStringSubmatch(string(data), -1) {
			missing[m[1]] = true
		}
	}
	for n := 1; n < len(criteria); n++ {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \|.*$`, n)).FindString(string(readme))
		named := regexp.MustCompile(fmt.Sprintf("`(TestCriterion%d[A-Z]\\w+)`", n)).FindAllStringSubmatch(row, -1)
		if len(named) == 0 {
			t.Errorf("README.md names no test of criterion %d", n)
		}
		for _, m := range named {
			if !missing[m[1]] {
				t.Errorf("README.md names %s, which is not here", m[1])
			}
			delete(missing, m[1])
		}
	}
	for name := range missing {
		t.Errorf("README.md does not name %s", name)
	}
}
