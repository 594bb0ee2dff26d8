package cluster

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
)

// TestLink: a layer that is a file is where the registry looks for it, also when it was there before, and nothing of it
// was copied.
func TestLink(t *testing.T) {
	dir := t.TempDir()
	c := &Config{Dir: dir}
	file := filepath.Join(dir, "layer.tar.gz")
	kept, err := image.FilesTo(file, image.File{Path: "/x", Content: "x"})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := image.Files(image.File{Path: "/y", Content: "y"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.link(image.Image{Layers: []v1.Layer{kept, sent}}); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := kept.Digest()
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := os.ReadDir(filepath.Join(dir, registryDir, digest.Algorithm))
	if err != nil || len(blobs) != 1 || blobs[0].Name() != digest.Hex {
		t.Fatalf("the registry has %v, %v", blobs, err)
	}
	from, errFrom := os.Stat(file)
	to, errTo := os.Stat(filepath.Join(dir, registryDir, digest.Algorithm, digest.Hex))
	if errFrom != nil || errTo != nil || !os.SameFile(from, to) {
		t.Errorf("it is another file: %v, %v", errFrom, errTo)
	}
}

// TestFavour: whichever version of control groups there is, the weight is four times that of a group of which nobody
// says one.
func TestFavour(t *testing.T) {
	for name, want := range map[string]string{"cpu.shares": "4096", "cpu.weight": "400"} {
		group := t.TempDir()
		if err := os.WriteFile(filepath.Join(group, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := favour(group); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(group)
		if err != nil || len(entries) != 1 {
			t.Errorf("the group has %v, %v", entries, err)
		}
		if got, err := os.ReadFile(filepath.Join(group, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, not %s, %v", name, got, want, err)
		}
	}
}
