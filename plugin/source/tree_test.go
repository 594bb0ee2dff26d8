package source_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// entry is one entry of an archive, or one file on disk.
type entry struct {
	name string
	data string
	link string // target of a symbolic link
	kind byte   // of tar; 0 for a file, a link or, with a trailing slash, a directory
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var all []cmptest.Entry
	for _, e := range entries {
		all = append(all, cmptest.Entry{Name: e.name, Data: e.data, Link: e.link, Kind: e.kind})
	}
	return cmptest.Pack(t, all...)
}

func readArchive(t testing.TB, limits source.Limits, entries ...entry) (*source.Memory, error) {
	t.Helper()
	return source.ReadTarGz(t.Context(), bytes.NewReader(archive(t, entries...)), source.Archive{Limits: limits})
}

func onDisk(t testing.TB, limits source.Limits, entries ...entry) *source.Dir {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		at := filepath.Join(dir, filepath.FromSlash(e.name))
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case err != nil:
		case e.link != "":
			err = os.Symlink(e.link, at)
		case strings.HasSuffix(e.name, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			err = os.WriteFile(at, []byte(e.data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tree, err := source.OpenDir(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

// both gives the same entries as a directory and as an archive.
func both(t *testing.T, entries ...entry) map[string]source.Tree {
	t.Helper()
	memory, err := readArchive(t, source.Limits{}, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]source.Tree{"dir": onDisk(t, source.Limits{}, entries...), "memory": memory}
}

func TestFS(t *testing.T) {
	for name, tree := range both(t,
		entry{name: "Chart.yaml", data: "name: a\n"}, entry{name: "empty"}, entry{name: "charts/sub/values.yaml", data: "a: 1\n"}, entry{name: "none/"}) {
		if err := fstest.TestFS(tree, "Chart.yaml", "empty", "charts/sub/values.yaml", "none"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLinks(t *testing.T) {
	entries := []entry{
		{name: "a/file", data: "content"},
		{name: ".git/config", data: "secret"}, {name: "a/.GIT/config", data: "secret"},
		{name: "link", link: "a/file"}, {name: "a/up", link: "../a/file"}, {name: "dir", link: "a"},
		{name: "b/twice", link: "../dir/up"}, {name: "b/self", link: "."}, {name: "b/root", link: "../"},
		{name: "loop", link: "pool"}, {name: "pool", link: "loop"}, {name: "dangling", link: "a/none"},
		{name: "git", link: ".git"}, {name: "config", link: ".git/config"}, {name: "deep/git", link: "../a/.GIT/config"},
		// Lexically inside; in fact dir/../.. is above the root's parent.
		{name: "b/c/away", link: "../../dir/../../file"},
	}
	for tree, fsys := range map[string]source.Tree{"dir": onDisk(t, source.Limits{}, entries...), "memory": func() source.Tree {
		m, err := readArchive(t, source.Limits{}, entries[:len(entries)-1]...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}()} {
		for _, name := range []string{"link", "a/up", "dir/file", "dir/up", "b/twice", "b/self/twice", "b/root/dir/up"} {
			data, err := fsys.ReadFile(name)
			if err != nil || string(data) != "content" {
				t.Errorf("%s: %s: %q, %v", tree, name, data, err)
			}
		}
		for _, name := range []string{"dangling", "git", "config", "git/config", "deep/git", ".git", ".git/config", "a/.GIT/config", "dir/.Git/config"} {
			if _, err := fsys.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: %v, want fs.ErrNotExist", tree, name, err)
			}
			if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: Stat: %v, want fs.ErrNotExist", tree, name, err)
			}
			if _, err := fsys.ReadDir(name); err == nil {
				t.Errorf("%s: %s: ReadDir succeeds", tree, name)
			}
		}
		if _, err := fsys.ReadFile("loop"); err == nil || !strings.Contains(err.Error(), "too many levels") {
			t.Errorf("%s: loop: %v", tree, err)
		}
		for _, dir := range []string{".", "a"} {
			list, err := fsys.ReadDir(dir)
			if err != nil {
				t.Error(err)
			}
			for _, e := range list {
				if strings.EqualFold(e.Name(), ".git") {
					t.Errorf("%s: %s lists %s", tree, dir, e.Name())
				}
			}
		}
		if tree == "dir" {
			if _, err := fsys.ReadFile("b/c/away"); !errors.Is(err, source.ErrOutside) {
				t.Errorf("b/c/away: %v, want ErrOutside", err)
			}
		}
	}
}

func TestLinksThatLeave(t *testing.T) {
	for _, e := range []entry{
		{name: "up", link: "../x"}, {name: "a/up", link: "../../x"}, {name: "absolute", link: "/etc/passwd"},
		{name: "a/absolute", link: "/"}, {name: "back", link: "a/../../x"},
	} {
		if _, err := onDisk(t, source.Limits{}, e, entry{name: "a/x"}).ReadFile(e.name); !errors.Is(err, source.ErrOutside) {
			t.Errorf("dir: %s: %v, want ErrOutside", e.name, err)
		} else if strings.Contains(err.Error(), os.TempDir()) {
			t.Errorf("the error shows where the tree lies: %v", err)
		}
		if _, err := readArchive(t, source.Limits{}, e); !errors.Is(err, source.ErrOutside) {
			t.Errorf("archive: %s: %v, want ErrOutside", e.name, err)
		}
	}
	// A link over a link may leave although each of them looks harmless.
	m, err := readArchive(t, source.Limits{}, entry{name: "a/b/"}, entry{name: "here", link: "."}, entry{name: "a/b/away", link: "../../here/x"}, entry{name: "a/out", link: "../a/b/../../here/../x"})
	if err == nil {
		_, err = m.ReadFile("a/out")
	}
	if !errors.Is(err, source.ErrOutside) {
		t.Errorf("got %v, want ErrOutside", err)
	}
}

func TestIrregularFiles(t *testing.T) {
	for _, kind := range []byte{tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo} {
		_, err := readArchive(t, source.Limits{}, entry{name: "a", data: ""}, entry{name: "b", link: "a", kind: kind})
		if !errors.Is(err, source.ErrIrregular) || !strings.Contains(err.Error(), "b") {
			t.Errorf("type %c: %v, want ErrIrregular", kind, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "../x", "a/../../x", `a\..\x`, "a/b/../../../x", ".."} {
		if _, err := readArchive(t, source.Limits{}, entry{name: name, data: "x"}); !errors.Is(err, source.ErrOutside) {
			t.Errorf("%q: %v, want ErrOutside", name, err)
		}
	}
	m, err := readArchive(t, source.Limits{}, entry{name: "./a/./b", data: "first"}, entry{name: "a//b", data: "second"}, entry{name: "a/c/../d", data: "d"})
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := m.ReadFile("a/b"); string(data) != "second" {
		t.Errorf("a/b is %q: the last entry of a name wins", data)
	}
	for _, entries := range [][]entry{
		{{name: "a", data: "file"}, {name: "a/b", data: "below a file"}},
		{{name: "a/b", data: "x"}, {name: "a", data: "a file in place of a directory"}},
		{{name: "a", link: "b"}, {name: "b/"}, {name: "a/c", data: "through a link"}},
	} {
		if _, err := readArchive(t, source.Limits{}, entries...); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%v: %v, want fs.ErrExist", entries, err)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("d/", 10) + "file"
	long := strings.Repeat("n", 5000)
	for _, tc := range []struct {
		name    string
		limits  source.Limits
		entries []entry
		flag    string
	}{
		{"files", source.Limits{MaxFiles: 2}, []entry{{name: "a"}, {name: "b"}, {name: "c"}}, "--max-files"},
		{"directories count", source.Limits{MaxFiles: 2}, []entry{{name: "a/"}, {name: "b/"}, {name: "c/"}}, "--max-files"},
		{"one file", source.Limits{MaxFileBytes: 3}, []entry{{name: "a", data: "abcd"}}, "--max-file-bytes"},
		{"all files", source.Limits{MaxTotalBytes: 5}, []entry{{name: "a", data: "abc"}, {name: "b", data: "abc"}}, "--max-total-bytes"},
		{"depth", source.Limits{MaxDepth: 5}, []entry{{name: deep}}, "--max-depth"},
		{"long name", source.Limits{}, []entry{{name: long}}, "--max-depth"},
	} {
		_, err := readArchive(t, tc.limits, tc.entries...)
		if !errors.Is(err, source.ErrLimit) || !strings.Contains(err.Error(), tc.flag) {
			t.Errorf("archive: %s: %v, want ErrLimit with %s", tc.name, err, tc.flag)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", tc.name, len(err.Error()))
		}
		if tc.name == "directories count" || tc.name == "long name" {
			continue
		}
		tree := onDisk(t, tc.limits, tc.entries...)
		err = nil
		for _, e := range tc.entries {
			_, readErr := tree.ReadFile(e.name)
			err = errors.Join(err, readErr)
		}
		if !errors.Is(err, source.ErrLimit) || !strings.Contains(err.Error(), tc.flag) {
			t.Errorf("dir: %s: %v, want ErrLimit with %s", tc.name, err, tc.flag)
		}
	}
	// What is below .git is as large as it likes.
	if _, err := readArchive(t, source.Limits{MaxFileBytes: 3}, entry{name: ".git/pack", data: "abcd"}, entry{name: "a", data: "a"}); err != nil {
		t.Error(err)
	}
	// But not without end.
	if _, err := readArchive(t, source.Limits{MaxTotalBytes: 3}, entry{name: ".git/pack", data: strings.Repeat("x", 49)}); !errors.Is(err, source.ErrLimit) {
		t.Errorf("48 bytes may be skipped where 3 may be kept, got %v", err)
	}
}
