package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// TestFiles holds the entries of a layer to owner, mode and content.
func TestFiles(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("elf"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(program, os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	layer, err := Files(
		File{Path: "/usr/bin/program", Source: program, Mode: 0o755},
		File{Path: "/usr/bin/as-it-is", Source: program},
		File{Path: "/usr/bin/other", Link: "program"},
		File{Path: "/etc/passwd", Content: "root:x:0:0::/:\n"},
		File{Path: "/tmp", Mode: os.ModeSticky | 0o777},
		File{Path: "/home/argocd", Mode: 0o775, UID: 999},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Layer(layer); err != nil {
		t.Error(err)
	}
	want := []string{
		"d 0755 0:0 etc/", "f 0644 0:0 etc/passwd root:x:0:0::/:\n",
		"d 0755 0:0 home/", "d 0775 999:0 home/argocd/",
		"d 1777 0:0 tmp/",
		"d 0755 0:0 usr/", "d 0755 0:0 usr/bin/", "f 0700 0:0 usr/bin/as-it-is elf", "l 0777 0:0 usr/bin/other program", "f 0755 0:0 usr/bin/program elf",
	}
	if diff := cmp.Diff(want, entries(t, layer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTree holds a layer to the directory that it was made from.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	for _, at := range []string{"a", "a/b", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, at), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for at, mode := range map[string]os.FileMode{"a/z": 0o600, "a/b/run": 0o755 | os.ModeSetuid, "tmp": 0o777 | os.ModeSticky} {
		file := filepath.Join(dir, at)
		if at != "tmp" {
			if err := os.WriteFile(file, []byte(at), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("../a/z", filepath.Join(dir, "tmp", "link")), os.Link(filepath.Join(dir, "a", "z"), filepath.Join(dir, "a", "zz"))); err != nil {
		t.Fatal(err)
	}
	owner := "0:0"
	if os.Geteuid() == 0 {
		owner = "999:7"
		if err := os.Chown(filepath.Join(dir, "a", "z"), 999, 7); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Skip("only root can hold a file of another user")
	}
	layer, err := Tree(dir, filepath.Join(t.TempDir(), "tree.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"d 0755 0:0 a/", "d 0755 0:0 a/b/", "f 4755 0:0 a/b/run a/b/run", "f 0600 " + owner + " a/z a/z", "h 0600 " + owner + " a/zz a/z",
		"d 1777 0:0 tmp/", "l 0777 0:0 tmp/link ../a/z",
	}
	if diff := cmp.Diff(want, entries(t, layer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWrite reads an archive of two images back with another part of the library, and holds that the same input gives
// the same bytes and a shared layer is there once.
func TestWrite(t *testing.T) {
	base, err := Files(File{Path: "/etc/passwd", Content: "root:x:0:0::/:\n"})
	if err != nil {
		t.Fatal(err)
	}
	one := Image{
		Name: "quay.io/argoproj/argocd:v3.6.1", Entrypoint: []string{"/usr/bin/tini", "--"}, Cmd: []string{"argocd"}, User: "999",
		Env: []string{"HOME=/home/argocd"}, WorkingDir: "/home/argocd", Layers: []v1.Layer{base},
	}
	two := Image{Name: "docker.io/library/redis:8", Entrypoint: []string{"/usr/bin/redis-server"}, Layers: []v1.Layer{base}}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.tar"), filepath.Join(dir, "second.tar")
	if err := errors.Join(Write(first, one, two), Write(second, one, two)); err != nil {
		t.Fatal(err)
	}
	a, b := read(t, first), read(t, second)
	if !bytes.Equal(a, b) {
		t.Error("the same images gave other bytes")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("Write has left %v, %v", left, err)
	}

	unpacked := t.TempDir()
	names := untar(t, unpacked, a)
	if blobs := slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "blobs/sha256/") }); len(blobs) != 5 {
		t.Errorf("%d blobs, want 2 manifests, 2 configurations and 1 layer: %q", len(blobs), blobs)
	}
	index, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range manifest.Manifests {
		got = append(got, m.Annotations[containerdName])
		if m.MediaType != "application/vnd.oci.image.manifest.v1+json" {
			t.Errorf("%s is an %s", got[len(got)-1], m.MediaType)
		}
	}
	if diff := cmp.Diff([]string{"quay.io/argoproj/argocd:v3.6.1", "docker.io/library/redis:8"}, got); diff != "" {
		t.Error(diff)
	}
	made, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := made.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	wantConfig := v1.Config{Entrypoint: one.Entrypoint, Cmd: one.Cmd, User: "999", Env: one.Env, WorkingDir: one.WorkingDir}
	if diff := cmp.Diff(wantConfig, config.Config); diff != "" {
		t.Error(diff)
	}
}

// TestRefused holds that what cannot be an image is said and leaves no file.
func TestRefused(t *testing.T) {
	for want, files := range map[string][]File{
		"from the root":      {{Path: "etc/passwd", Content: "x"}},
		"without detours":    {{Path: "/etc/../x", Content: "x"}},
		"given twice":        {{Path: "/x", Content: "x"}, {Path: "/x", Content: "y"}},
		"below the file /x":  {{Path: "/x", Content: "x"}, {Path: "/x/y", Content: "y"}},
		"not a regular file": {{Path: "/x", Source: t.TempDir()}},
		"no such file":       {{Path: "/x", Source: filepath.Join(t.TempDir(), "none")}},
	} {
		if _, err := Files(files...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	dir := t.TempDir()
	for _, images := range [][]Image{{}, {{Name: "no tag"}}, {{Name: "redis"}}} {
		if err := Write(filepath.Join(dir, "x.tar"), images...); err == nil {
			t.Errorf("%v is no image", images)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("Write has left %v, %v", left, err)
	}
}

func entries(t *testing.T, layer v1.Layer) []string {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close() //nolint:errcheck // opened for reading only
	var out []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(created) {
			t.Errorf("%s has the time %v", h.Name, h.ModTime)
		}
		line := fmt.Sprintf("%s %04o %d:%d %s", map[byte]string{tar.TypeDir: "d", tar.TypeReg: "f", tar.TypeSymlink: "l", tar.TypeLink: "h"}[h.Typeflag], h.Mode, h.Uid, h.Gid, h.Name)
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(line+" "+string(data)+h.Linkname, " "))
	}
}

func untar(t *testing.T, dir string, archive []byte) []string {
	t.Helper()
	var names []string
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(at, 0o755)
		} else {
			names = append(names, h.Name)
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(at, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
