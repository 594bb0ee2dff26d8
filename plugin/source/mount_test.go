package source_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

func TestMount(t *testing.T) {
	tree := onDisk(t, source.Limits{}, entry{name: "Chart.yaml", data: "name: a"}, entry{name: "templates/a.yaml", data: "a"})
	for _, prefix := range []string{"", ".", "./"} {
		if got := source.Mount(tree, prefix); got != source.Tree(tree) {
			t.Errorf("Mount at %q changes the tree", prefix)
		}
	}
	mounted := source.Mount(tree, "charts/shop")
	if err := fstest.TestFS(mounted, "charts/shop/Chart.yaml", "charts/shop/templates/a.yaml"); err != nil {
		t.Error(err)
	}
	if data, err := mounted.ReadFile("charts/shop/Chart.yaml"); err != nil || string(data) != "name: a" {
		t.Errorf("%q, %v", data, err)
	}
	for _, name := range []string{"Chart.yaml", "charts/shopping", "charts/shop/none", "other"} {
		_, err := mounted.ReadFile(name)
		var pe *fs.PathError
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &pe) || pe.Path != name {
			t.Errorf("%s: %v, want fs.ErrNotExist that names it", name, err)
		}
	}
	if _, err := mounted.ReadFile("charts"); err == nil {
		t.Error("a directory above the tree can be read as a file")
	}
}

func TestFindRoot(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	for _, dir := range []string{"_cmp_server/uuid/charts/a", "repo/.git", "repo/charts/a", "worktree/charts", "plain/charts/a", "elsewhere"} {
		if err := os.MkdirAll(at(filepath.FromSlash(dir)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("worktree", ".git"), []byte("gitdir: elsewhere"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("repo", "charts"), at("elsewhere", "link")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, dir, fallback, root, rel string }{
		{"argocd-cmp-server", "_cmp_server/uuid/charts/a", "elsewhere", "_cmp_server/uuid", "charts/a"},
		{"argocd-cmp-server's own root", "_cmp_server/uuid", "elsewhere", "_cmp_server/uuid", "."},
		{"a clone", "repo/charts/a", "elsewhere", "repo", "charts/a"},
		{"a worktree", "worktree/charts", "elsewhere", "worktree", "charts"},
		{"through a link", "elsewhere/link/a", "elsewhere", "repo", "charts/a"},
		{"no repository, below the fallback", "plain/charts/a", "plain", "plain", "charts/a"},
		{"no repository, beside the fallback", "plain/charts/a", "elsewhere", "plain/charts/a", "."},
	} {
		root, rel, err := source.FindRoot(at(filepath.FromSlash(tc.dir)), at(tc.fallback))
		if err != nil || root != at(filepath.FromSlash(tc.root)) || rel != tc.rel {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tc.name, root, rel, err, at(tc.root), tc.rel)
		}
	}
	t.Chdir(at("plain"))
	if root, rel, err := source.FindRoot("charts/a", "."); err != nil || root != at("plain") || rel != "charts/a" {
		t.Errorf("from the working directory: %q, %q, %v", root, rel, err)
	}
	if _, _, err := source.FindRoot(at("none"), base); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that does not exist: %v", err)
	}
}
