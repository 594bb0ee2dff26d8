package edge_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

func repository(t *testing.T, files map[string]string) (edge.Repository, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := edge.OpenRepository(dir, dir, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Tree.Close() }) //nolint:errcheck // opened for reading only
	return r, dir
}

// unchanged demands that a refused edit left one file with its text.
func unchanged(t *testing.T, dir, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || string(got) != want {
		t.Errorf("%s: %q, %v", name, got, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestReplace(t *testing.T) {
	r, dir := repository(t, map[string]string{"f": "old"})
	if err := os.Chmod(filepath.Join(dir, "f"), 0o646); err != nil {
		t.Fatal(err)
	}
	if err := r.Replace("f", []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	unchanged(t, dir, "f", "new")
	info, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o646 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReplaceRefused(t *testing.T) {
	r, dir := repository(t, map[string]string{"f": "theirs", "target": "old"})
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"f":    "writing f: " + edge.ErrChanged.Error(),
		"link": "writing link: is a link",
		"dir":  "writing dir: is a link or no regular file",
		"none": "writing none: ",
	} {
		err := r.Replace(name, []byte("old"), []byte("new"))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Replace("f", []byte("old"), []byte("new")); !errors.Is(err, edge.ErrChanged) {
		t.Errorf("changed: %v", err)
	}
	unchanged(t, dir, "f", "theirs")
	unchanged(t, dir, "target", "old")
	// What another run is about to rename is neither overwritten nor deleted.
	other := filepath.Join(dir, "f.tmp")
	if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Replace("f", []byte("theirs"), []byte("new")); err == nil || !strings.Contains(err.Error(), "f.tmp is there: another run is writing") {
		t.Errorf("at once: %v", err)
	}
	if got, err := os.ReadFile(other); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}
