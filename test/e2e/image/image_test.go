package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
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

// TestMake holds an image to what it is asked to be, and that the same input gives the same bytes.
func TestMake(t *testing.T) {
	base, err := Files(File{Path: "/etc/passwd", Content: "root:x:0:0::/:\n"})
	if err != nil {
		t.Fatal(err)
	}
	one := Image{
		Name: "quay.io/argoproj/argocd:v3.6.1", Entrypoint: []string{"/usr/bin/tini", "--"}, Cmd: []string{"argocd"}, User: "999",
		Env: []string{"HOME=/home/argocd"}, WorkingDir: "/home/argocd", Layers: []v1.Layer{base},
	}
	made, err := one.Make()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(made); err != nil {
		t.Error(err)
	}
	config, err := made.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	wantConfig := v1.Config{Entrypoint: one.Entrypoint, Cmd: one.Cmd, User: "999", Env: one.Env, WorkingDir: one.WorkingDir}
	if diff := cmp.Diff(wantConfig, config.Config); diff != "" {
		t.Error(diff)
	}
	manifest, err := made.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != "application/vnd.oci.image.manifest.v1+json" {
		t.Errorf("it is an %s", manifest.MediaType)
	}
	again, err := one.Make()
	if err != nil {
		t.Fatal(err)
	}
	a, errA := made.Digest()
	b, errB := again.Digest()
	if a != b || errors.Join(errA, errB) != nil {
		t.Errorf("the same image has the digests %s and %s, %v, %v", a, b, errA, errB)
	}
}

// TestFromFile: a layer is the same when it is read again, with the sums that were written beside it, without, and with
// those of another file.
func TestFromFile(t *testing.T) {
	target := filepath.Join(t.TempDir(), "layer.tar.gz")
	made, err := FilesTo(target, File{Path: "/etc/passwd", Content: "root:x:0:0::/:\n"})
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := Files(File{Path: "/etc/passwd", Content: "root:x:0:0::/:\n"})
	if err != nil {
		t.Fatal(err)
	}
	if Blob(made) != target || Blob(inMemory) != "" {
		t.Errorf("the files of the layers are %q and %q", Blob(made), Blob(inMemory))
	}
	want, err := inMemory.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, prepare := range []func() error{
		func() error { return nil },
		func() error { return os.Remove(target + sums) },
		func() error { return os.WriteFile(target+sums, []byte("1 sha256:aa sha256:bb"), 0o644) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		again, err := FromFile(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Layer(again); err != nil {
			t.Error(err)
		}
		if got, err := again.Digest(); err != nil || got != want {
			t.Errorf("the digest is %s, not %s, %v", got, want, err)
		}
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
	for _, i := range []Image{{}, {Name: "no tag"}, {Name: "redis"}} {
		if _, err := i.Make(); err == nil {
			t.Errorf("%v is no image", i)
		}
	}
	dir := t.TempDir()
	if _, err := FilesTo(filepath.Join(dir, "x.tar.gz"), File{Path: "/x", Source: dir}); err == nil {
		t.Error("a directory is no source")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("FilesTo has left %v, %v", left, err)
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
