package checkout_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/internal/checkout"
)

// git runs the real program: it is what the package is compared with.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimRight(string(out), "\n")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository has one commit with files of all modes.
func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("the git program is missing")
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	for _, name := range []string{"a", "b/c", "b/d/e", "b.x", "b-x/f", "exec", "lines"} {
		write(t, dir, name, "text of "+name+"\n")
	}
	if err := os.Chmod(filepath.Join(dir, "exec"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b/c", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	commit(t, dir, "first")
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, dir, message string) {
	t.Helper()
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", message)
}

func open(t *testing.T, dir string) *checkout.Checkout {
	t.Helper()
	c, err := checkout.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// sameAsGit demands the names that git diff and git diff --staged give.
func sameAsGit(t *testing.T, dir string) {
	t.Helper()
	got, err := open(t, dir).Changed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// --no-renames: names, not guesses.
	want := strings.Fields(git(t, dir, "diff", "--name-only", "--no-renames") + "\n" + git(t, dir, "diff", "--staged", "--name-only", "--no-renames"))
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestChanged makes every kind of change and compares with git.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"nothing":   func(*testing.T, string) {},
		"text":      func(t *testing.T, dir string) { write(t, dir, "a", "other\n") },
		"same size": func(t *testing.T, dir string) { write(t, dir, "a", "tEXt of a\n") },
		"same text": func(t *testing.T, dir string) { write(t, dir, "a", "text of a\n") },
		"staged":    func(t *testing.T, dir string) { write(t, dir, "a", "x"); git(t, dir, "add", "a") },
		"staged back": func(t *testing.T, dir string) {
			write(t, dir, "a", "x")
			git(t, dir, "add", "a")
			write(t, dir, "a", "text of a\n")
		},
		"untracked":   func(t *testing.T, dir string) { write(t, dir, "new", "x") },
		"added":       func(t *testing.T, dir string) { write(t, dir, "b/new", "x"); git(t, dir, "add", "b/new") },
		"to be added": func(t *testing.T, dir string) { write(t, dir, "new", "x"); git(t, dir, "add", "-N", "new") },
		"deleted":     func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "b/c"))) },
		"rm":          func(t *testing.T, dir string) { git(t, dir, "rm", "-q", "b/c") },
		"rm cached":   func(t *testing.T, dir string) { git(t, dir, "rm", "-q", "--cached", "b/c") },
		"moved":       func(t *testing.T, dir string) { git(t, dir, "mv", "b", "moved") },
		"mode":        func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "a"), 0o755)) },
		"mode back":   func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "exec"), 0o644)) },
		"mode ignored": func(t *testing.T, dir string) {
			git(t, dir, "config", "core.fileMode", "false")
			must(t, os.Chmod(filepath.Join(dir, "a"), 0o755))
		},
		"link": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "link")))
			must(t, os.Symlink("a", filepath.Join(dir, "link")))
		},
		"file for link": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "link")))
			write(t, dir, "link", "b/c")
		},
		"link for file": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "a")))
			must(t, os.Symlink("b/c", filepath.Join(dir, "a")))
		},
		"dir for file": func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a"))); write(t, dir, "a/b", "x") },
		"sparse":       func(t *testing.T, dir string) { git(t, dir, "sparse-checkout", "set", "--no-cone", "a") },
		"conflict": func(t *testing.T, dir string) {
			git(t, dir, "checkout", "-q", "-b", "other")
			write(t, dir, "a", "theirs\n")
			commit(t, dir, "theirs")
			git(t, dir, "checkout", "-q", "main")
			write(t, dir, "a", "ours\n")
			commit(t, dir, "ours")
			if out, err := exec.Command("git", "-C", dir, "merge", "other").CombinedOutput(); err == nil {
				t.Fatalf("no conflict: %s", out)
			}
		},
		"index v4": func(t *testing.T, dir string) {
			git(t, dir, "update-index", "--index-version", "4")
			write(t, dir, "b/d/e", "x")
		},
		"packed": func(t *testing.T, dir string) {
			git(t, dir, "gc", "-q")
			git(t, dir, "pack-refs", "--all")
			write(t, dir, "a", "x")
		},
		"line ends": func(t *testing.T, dir string) {
			git(t, dir, "config", "core.autocrlf", "true")
			write(t, dir, "lines", "text of lines\r\n")
		},
		"line ends 2": func(t *testing.T, dir string) { write(t, dir, "lines", "text of lines\r\n") },
		"module": func(t *testing.T, dir string) {
			git(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repository(t), "sub")
			commit(t, dir, "module")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			change(t, dir)
			sameAsGit(t, dir)
		})
	}
}

// TestChangedBelow: names are relative to what was opened, and a file that git
// does not know counts where it must be known.
func TestChangedBelow(t *testing.T) {
	dir := repository(t)
	write(t, dir, "b/d/new", "x")
	write(t, dir, "b/c", "x")
	write(t, dir, "a", "x")
	got, err := open(t, filepath.Join(dir, "b")).Changed(t.Context(), "d/new", "d/e", "none")
	if want := []string{"a", "c", "d/new", "none"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestBranch(t *testing.T) {
	dir := repository(t)
	git(t, dir, "checkout", "-q", "-b", "topic/one")
	if got, err := open(t, dir).Branch(); err != nil || got != "topic/one" {
		t.Errorf("%q, %v", got, err)
	}
	git(t, dir, "checkout", "-q", "--detach")
	if _, err := open(t, dir).Branch(); !errors.Is(err, checkout.ErrDetached) {
		t.Error(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	git(t, dir, "worktree", "add", "-q", "-b", "two", other)
	c := open(t, other)
	if got, err := c.Branch(); err != nil || got != "two" {
		t.Errorf("%q, %v", got, err)
	}
	write(t, other, "a", "x")
	sameAsGit(t, other)
	sameAsGit(t, dir)
	empty := t.TempDir()
	git(t, empty, "init", "-q")
	if _, err := open(t, empty).Branch(); !errors.Is(err, checkout.ErrUnborn) {
		t.Error(err)
	}
	if _, err := open(t, empty).Changed(t.Context()); !errors.Is(err, checkout.ErrUnborn) {
		t.Error(err)
	}
}

// TestOpenRefused: what cannot be read is one line without a path.
func TestOpenRefused(t *testing.T) {
	dir := repository(t)
	for name, damage := range map[string]func(dir string){
		"not in a git repository": func(dir string) { must(t, os.RemoveAll(filepath.Join(dir, ".git"))) },
		"cannot be read; git fsck": func(dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, ".git")))
			write(t, dir, ".git", "gitdir: \n")
		},
		"git fsck":               func(dir string) { write(t, dir, ".git/config", "[core\nsecret") },
		"SHA-256":                func(dir string) { write(t, dir, ".git/config", "[extensions]\nobjectFormat = sha256\n") },
		"reftable":               func(dir string) { write(t, dir, ".git/config", "[extensions]\nrefStorage = reftable\n") },
		"may tell":               func(dir string) { write(t, dir, ".git/index", "DIRC\x00\x00\x00\x02\xff\xff\xff\xffsecret") },
		"what is in .git":        func(dir string) { write(t, dir, ".git/index", "secret") },
		"fsck may tell":          func(dir string) { write(t, dir, ".git/HEAD", "secret") },
		"there is no commit yet": func(dir string) { must(t, os.RemoveAll(filepath.Join(dir, ".git/refs/heads"))) },
		"commit ": func(dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, ".git/objects")))
			must(t, os.Mkdir(filepath.Join(dir, ".git/objects"), 0o755))
		},
	} {
		copied := filepath.Join(t.TempDir(), "copy")
		git(t, ".", "clone", "-q", "--no-hardlinks", dir, copied)
		damage(copied)
		c, err := checkout.Open(copied)
		if err == nil {
			_, err = c.Branch()
		}
		if err == nil {
			_, err = c.Changed(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), copied) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMergeBase compares with git over a history with merges, and a random one.
func TestMergeBase(t *testing.T) {
	dir := repository(t)
	for i := range 12 {
		from := fmt.Sprintf("r%d", max(0, i-1-i%3))
		if i == 0 {
			from = "main"
		}
		git(t, dir, "checkout", "-q", "-b", fmt.Sprintf("r%d", i), from)
		write(t, dir, fmt.Sprintf("n%d", i), "x")
		commit(t, dir, "more")
		if i > 4 && i%4 == 0 {
			git(t, dir, "merge", "-q", "-m", "merge", fmt.Sprintf("r%d", i-3))
		}
	}
	git(t, dir, "tag", "-a", "-m", "annotated", "v1", "r3")
	git(t, dir, "gc", "-q")
	for i := range 12 {
		git(t, dir, "checkout", "-q", fmt.Sprintf("r%d", i))
		c := open(t, dir)
		for _, revision := range []string{"main", "r2", "r7", "r11", "v1", "HEAD", "r11~2", "r9^^", git(t, dir, "rev-parse", "r5")[:9], git(t, dir, "rev-parse", "r6")} {
			at, err := c.Resolve(revision)
			if want := git(t, dir, "rev-parse", revision+"^{commit}"); err != nil || !strings.HasPrefix(want, at.String()) {
				t.Fatalf("%s: %v, %v", revision, at, err)
			}
			got, err := c.MergeBase(t.Context(), at)
			// Of several that are as good, git names all.
			all := git(t, dir, "merge-base", "--all", "HEAD", revision)
			if err != nil || !strings.Contains("\n"+all, "\n"+got.String()) {
				t.Errorf("r%d and %s: %v, %v, want %s", i, revision, got, err, all)
			}
		}
	}
	c := open(t, dir)
	for _, revision := range []string{"", "none", "../HEAD", "-x", "main~99999", "main~x", "main^2", "main@{1}", "zzzz", "ffffffff", "main:a", "HEAD~500", "config", "refs/../config"} {
		if at, err := c.Resolve(revision); err == nil || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v, %v", revision, at, err)
		}
	}
	git(t, dir, "checkout", "-q", "--orphan", "orphan")
	commit(t, dir, "alone")
	c = open(t, dir)
	at, err := c.Resolve("main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.MergeBase(t.Context(), at); err == nil || !strings.Contains(err.Error(), "no commit in common") {
		t.Error(err)
	}
}

// TestShallow: a clone without history says what is missing.
func TestShallow(t *testing.T) {
	dir := repository(t)
	git(t, dir, "checkout", "-q", "-b", "topic")
	write(t, dir, "a", "topic")
	commit(t, dir, "topic")
	git(t, dir, "checkout", "-q", "main")
	write(t, dir, "a", "main")
	commit(t, dir, "main")
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, ".", "clone", "-q", "--depth", "1", "--no-single-branch", "file://"+dir, shallow)
	sameAsGit(t, shallow)
	c := open(t, shallow)
	at, err := c.Resolve("origin/topic")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.MergeBase(t.Context(), at); err == nil || !strings.Contains(err.Error(), "fetch-depth: 0") {
		t.Error(err)
	}
	if _, err := c.Resolve("HEAD~1"); err == nil || !strings.Contains(err.Error(), "fetch-depth: 0") {
		t.Error(err)
	}
}

// TestFiles: the files of a commit are those that git shows, whatever lies in
// the working tree.
func TestFiles(t *testing.T) {
	dir := repository(t)
	write(t, dir, "b/c", "other")
	commit(t, dir, "second")
	write(t, dir, "b/c", "third")
	for opened, below := range map[string]string{dir: "b", filepath.Join(dir, "b"): ""} {
		c := open(t, opened)
		at, err := c.Resolve("HEAD~1")
		if err != nil {
			t.Fatal(err)
		}
		files := mustFiles(t, c, at, below)
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"c", "d/e"}) || string(files["c"]) != "text of b/c\n" {
			t.Errorf("%v, %q", got, files["c"])
		}
	}
	c := open(t, dir)
	at, err := c.Resolve("HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if files := mustFiles(t, c, at, ""); string(files["link"]) != "other" || len(files) != 8 {
		t.Errorf("%d files, link %q", len(files), files["link"])
	}
	if files := mustFiles(t, c, at, "none"); len(files) != 0 {
		t.Errorf("%v", files)
	}
	for _, limits := range []checkout.Limits{{Files: 2}, {Bytes: 20}} {
		if _, err := c.Files(t.Context(), at, "", limits); err == nil || !strings.Contains(err.Error(), "limits") {
			t.Errorf("%v: %v", limits, err)
		}
	}
}

func mustFiles(t *testing.T, c *checkout.Checkout, at checkout.Commit, dir string) map[string][]byte {
	t.Helper()
	files, err := c.Files(t.Context(), at, dir, checkout.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
