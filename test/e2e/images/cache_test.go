package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
)

// TestProgram: the layer of a program that stays is kept until it is another program, and that of one that does not stay
// is not.
func TestProgram(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	cache := filepath.Join(home, "core-pipeline-cmp", "e2e")
	blob := func(dir, content string) string {
		t.Helper()
		program := filepath.Join(dir, "program")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		layer, err := Program(program, image.File{Path: "/program", Source: program})
		if err != nil {
			t.Fatal(err)
		}
		return image.Blob(layer)
	}
	one, two := blob(filepath.Join(cache, "v1"), "elf"), blob(filepath.Join(cache, "v1"), "another elf")
	if one == "" || one == two || filepath.Dir(one) != filepath.Join(cache, "images") {
		t.Errorf("the layers of two programs are in %q and %q", one, two)
	}
	program := filepath.Join(cache, "v1", "program")
	again, err := Program(program, image.File{Path: "/program", Source: program})
	if err != nil || image.Blob(again) != two {
		t.Errorf("the same program has a layer in %q, %v", image.Blob(again), err)
	}
	if other := blob(t.TempDir(), "elf"); other != "" {
		t.Errorf("a program that does not stay has its layer in %s", other)
	}
}
