package checkout_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/internal/checkout"
)

// TestForms: repositories in the less usual forms that git makes are read as
// git reads them.
func TestForms(t *testing.T) {
	for name, form := range map[string]func(t *testing.T, dir string) string{
		"objects of another repository": func(t *testing.T, dir string) string {
			shared := filepath.Join(t.TempDir(), "shared")
			git(t, ".", "clone", "-q", "--shared", dir, shared)
			return shared
		},
		"git directory elsewhere": func(t *testing.T, dir string) string {
			git(t, dir, "init", "-q", "--separate-git-dir", filepath.Join(t.TempDir(), "elsewhere"))
			return dir
		},
		"git directory behind a link": func(t *testing.T, dir string) string {
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.Rename(filepath.Join(dir, ".git"), elsewhere); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(elsewhere, filepath.Join(dir, ".git")); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"index without a checksum": func(t *testing.T, dir string) string {
			name := filepath.Join(dir, ".git/index")
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			clear(text[len(text)-20:])
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"no index": func(t *testing.T, dir string) string {
			if err := os.Remove(filepath.Join(dir, ".git/index")); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"directory behind a link": func(t *testing.T, dir string) string {
			outside := filepath.Join(t.TempDir(), "b")
			if err := os.Rename(filepath.Join(dir, "b"), outside); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, "b")); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"untracked cache and changed paths": func(t *testing.T, dir string) string {
			git(t, dir, "config", "core.untrackedCache", "true")
			git(t, dir, "status")
			git(t, dir, "commit-graph", "write", "--reachable", "--changed-paths")
			git(t, dir, "repack", "-q", "-d")
			git(t, dir, "multi-pack-index", "write")
			return dir
		},
		"many packs and loose objects": func(t *testing.T, dir string) string {
			for i := range 3 {
				write(t, dir, "a", strings.Repeat("x", i))
				commit(t, dir, "more")
				git(t, dir, "repack", "-q", "-d")
			}
			write(t, dir, "a", "loose")
			commit(t, dir, "loose")
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := form(t, repository(t))
			sameAsGit(t, dir)
			write(t, dir, "a", "other")
			sameAsGit(t, dir)
		})
	}
}

// TestFormsRefused: what is not read is named, not misread.
func TestFormsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		form func(t *testing.T, dir string)
		want string
	}{
		"split index": {func(t *testing.T, dir string) { git(t, dir, "update-index", "--split-index") }, "a split or sparse index"},
		"sparse index": {func(t *testing.T, dir string) {
			git(t, dir, "sparse-checkout", "set", "--cone", "--sparse-index", "b/d")
		}, "a split or sparse index"},
		"newer format": {func(t *testing.T, dir string) { git(t, dir, "config", "core.repositoryFormatVersion", "2") }, `format "2" are not supported`},
		"extension": {func(t *testing.T, dir string) {
			git(t, dir, "config", "extensions.other", "true")
			git(t, dir, "config", "core.repositoryFormatVersion", "1")
		}, `extension "other" are not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			c.form(t, dir)
			o, err := checkout.Open(dir)
			if err == nil {
				defer o.Close()
				_, err = o.Changed(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
	for flag, want := range map[string]string{"--object-format=sha256": "SHA-256", "--ref-format=reftable": "reftable"} {
		dir := t.TempDir()
		if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", flag, dir).CombinedOutput(); err != nil {
			t.Logf("git has no %s: %s", flag, out)
			continue
		}
		if _, err := checkout.Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// TestSameSizeAndTime: the time of a file is trusted as git does it, but not
// for the files that are asked for.
func TestSameSizeAndTime(t *testing.T) {
	dir := repository(t)
	// Long before the index, so that nothing is in doubt.
	long := time.Unix(1_700_000_000, 5)
	for _, name := range []string{"a", "lines"} {
		if err := os.Chtimes(filepath.Join(dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "update-index", "--refresh")
	write(t, dir, "a", "tEXt of a\n")
	if err := os.Chtimes(filepath.Join(dir, "a"), long, long); err != nil {
		t.Fatal(err)
	}
	for _, must := range [][]string{{"a"}, {"a", "lines"}} {
		if got, err := open(t, dir).Changed(t.Context(), must...); err != nil || !slices.Equal(got, []string{"a"}) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := open(t, dir).Changed(t.Context(), "lines"); err != nil || len(got) != 0 {
		t.Errorf("a file that nobody asks for is read: %v, %v", got, err)
	}

	// An index without nanoseconds, written in the second in which a file changed twice.
	index := filepath.Join(dir, ".git/index")
	text, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	written := time.Unix(1_700_000_100, 0)
	at := 12 // the first entry is that of a
	binary.BigEndian.PutUint32(text[at+8:], uint32(written.Unix()))
	binary.BigEndian.PutUint32(text[at+12:], 0)
	sum := sha1.Sum(text[:len(text)-20])
	if err := os.WriteFile(index, append(text[:len(text)-20], sum[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	later := written.Add(900 * time.Millisecond)
	for name, when := range map[string]time.Time{index: written.Add(500 * time.Millisecond), filepath.Join(dir, "a"): later} {
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := open(t, dir).Changed(t.Context()); err != nil || !slices.Equal(got, []string{"a"}) {
		t.Errorf("changed in the second of the index: %v, %v", got, err)
	}
}

// TestBounds: few objects that make many names, and one that is large.
func TestBounds(t *testing.T) {
	dir := repository(t)
	blob := git(t, dir, "hash-object", "-w", "a")
	tree := ""
	for range 5 {
		var list strings.Builder
		for i := range 100 {
			if tree == "" {
				list.WriteString("100644 blob " + blob)
			} else {
				list.WriteString("040000 tree " + tree)
			}
			list.WriteString("\tn" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "\n")
		}
		cmd := exec.CommandContext(t.Context(), "git", "-C", dir, "mktree")
		cmd.Stdin = strings.NewReader(list.String())
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		tree = strings.TrimSpace(string(out))
	}
	git(t, dir, "update-ref", "refs/heads/bomb", git(t, dir, "commit-tree", "-m", "bomb", tree))
	git(t, dir, "symbolic-ref", "HEAD", "refs/heads/bomb")
	c := open(t, dir)
	if _, err := c.Changed(t.Context()); err == nil || !strings.Contains(err.Error(), "has more than 1000000 files and directories") {
		t.Error(err)
	}
	git(t, dir, "symbolic-ref", "HEAD", "refs/heads/main")

	if err := os.Truncate(filepath.Join(dir, "b/c"), 65<<20); err != nil {
		t.Fatal(err)
	}
	commit(t, dir, "large")
	for _, packed := range []bool{false, true} {
		if packed {
			git(t, dir, "repack", "-q", "-a", "-d")
		}
		c := open(t, dir)
		at, err := c.Resolve("HEAD")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Files(t.Context(), at, "b", checkout.Limits{}); err == nil || !strings.Contains(err.Error(), "has 68157440 bytes; 67108864 are read") {
			t.Error(err)
		}
		// Nothing is read of what need not be.
		if got, err := c.Changed(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestDeltaCycle: two objects that are each a difference to the other.
func TestDeltaCycle(t *testing.T) {
	dir := repository(t)
	name := func(b byte) []byte { return bytes.Repeat([]byte{b}, 20) }
	var pack bytes.Buffer
	pack.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x02")
	var offsets, sums []uint32
	for _, base := range [][]byte{name(0x22), name(0x11)} {
		offsets = append(offsets, uint32(pack.Len()))
		var object bytes.Buffer
		delta := []byte{0x04, 0x04, 0x90, 0x04} // copies four bytes of four
		object.WriteByte(7<<4 | byte(len(delta)))
		object.Write(base)
		z := zlib.NewWriter(&object)
		if _, err := z.Write(delta); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, crc32.ChecksumIEEE(object.Bytes()))
		pack.Write(object.Bytes())
	}
	sum := sha1.Sum(pack.Bytes())
	pack.Write(sum[:])
	idx := bytes.NewBufferString("\xfftOc\x00\x00\x00\x02")
	number := func(list ...uint32) {
		for _, n := range list {
			idx.Write(binary.BigEndian.AppendUint32(nil, n))
		}
	}
	for i := range 256 {
		n := uint32(0)
		if i >= 0x11 {
			n++
		}
		if i >= 0x22 {
			n++
		}
		number(n)
	}
	idx.Write(name(0x11))
	idx.Write(name(0x22))
	number(sums...)
	number(offsets...)
	idx.Write(sum[:])
	whole := sha1.Sum(idx.Bytes())
	idx.Write(whole[:])
	file := ".git/objects/pack/pack-" + hex.EncodeToString(sum[:])
	write(t, dir, file+".pack", pack.String())
	write(t, dir, file+".idx", idx.String())
	write(t, dir, ".git/refs/heads/main", strings.Repeat("11", 20)+"\n")

	if _, err := open(t, dir).Changed(t.Context()); err == nil || !strings.Contains(err.Error(), "git fsck") {
		t.Error(err)
	}
}
