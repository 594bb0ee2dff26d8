package programs

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestScratch: what a build has left that was killed goes with the next one, what one may still use stays.
func TestScratch(t *testing.T) {
	dir := t.TempDir()
	age := func(name string, days int) string {
		t.Helper()
		at := filepath.Join(dir, name)
		then := time.Now().AddDate(0, 0, -days)
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(at, then, then); err != nil {
			t.Fatal(err)
		}
		return at
	}
	left, used, kept := age(".build-1", 2), age(".build-2", 0), age("build-3", 2)
	made, err := Scratch(dir, "build")
	if err != nil {
		t.Fatal(err)
	}
	for at, there := range map[string]bool{left: false, used: true, kept: true, made: true} {
		if _, err := os.Stat(at); (err == nil) != there {
			t.Errorf("%s: %v", filepath.Base(at), err)
		}
	}
}
