package checkout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/index"
)

// Changed returns the files that are not what the checked out commit has,
// sorted: those that git diff and git diff --staged show. Files that git does
// not know are left out, but for those in must.
//
// A file whose size and time are those that git noted is taken as unchanged,
// as git does. Filters of .gitattributes are not run: what they make of a file
// counts as a change once its time is another.
func (c *Checkout) Changed(ctx context.Context, must ...string) ([]string, error) {
	hash, err := c.head()
	if err != nil {
		return nil, err
	}
	head, err := c.commit(hash)
	if err != nil {
		return nil, err
	}
	committed := map[string]entry{}
	err = c.walk(head.tree, "", 0, func(name string, e entry) error {
		committed[name] = e
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	staged, err := c.store.Index()
	if err != nil {
		return nil, errDamaged
	}
	var noted time.Time
	if info, err := c.store.Filesystem().Stat("index"); err == nil {
		noted = info.ModTime()
	}
	changed := map[string]bool{}
	for _, name := range must {
		if _, ok := committed[c.prefix+name]; !ok {
			changed[c.prefix+name] = true
		}
	}
	for _, e := range staged.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		was, ok := committed[e.Name]
		conflict := e.Stage != 0
		if !ok || conflict || e.IntentToAdd || was.hash != e.Hash || was.mode != mode(e) || c.edited(e, noted) {
			changed[e.Name] = true
		}
		delete(committed, e.Name)
	}
	for name := range committed {
		changed[name] = true // its deletion is staged
	}
	return c.relative(changed), nil
}

// mode is written in an index with one more digit than in a tree.
func mode(e *index.Entry) string { return e.Mode.String()[1:] }

// relative sorts names and makes them relative to the directory that was
// opened, where they are below it.
func (c *Checkout) relative(names map[string]bool) []string {
	var list []string
	for name := range names {
		if len(name) > len(c.prefix) && name[:len(c.prefix)] == c.prefix {
			name = name[len(c.prefix):]
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// edited tells whether the file differs from what is staged.
func (c *Checkout) edited(e *index.Entry, noted time.Time) bool {
	mode := mode(e)
	if e.SkipWorktree || mode == modeModule {
		return false
	}
	info, err := c.root.Lstat(e.Name)
	if err != nil {
		return true
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := c.root.Readlink(e.Name)
		return mode != modeLink && modes || err != nil || plumbing.ComputeHash(plumbing.BlobObject, []byte(target)) != e.Hash
	case !info.Mode().IsRegular():
		return true
	case mode == modeLink:
		if modes {
			return true
		}
	case !c.ignoreModes && (info.Mode().Perm()&0o100 != 0) != (mode == modeExecutable):
		return true
	}
	// A file that was written in the moment of the note may have changed after.
	if int64(e.Size) == info.Size()&0xffffffff && sameTime(e.ModifiedAt, info.ModTime()) && e.ModifiedAt.Before(noted) {
		return false
	}
	hash, err := c.hash(e.Name, info.Size())
	return err != nil || hash != e.Hash && !(c.convertLines && c.converted(e.Name, info.Size()) == e.Hash)
}

// sameTime compares with an index whose git keeps no nanoseconds, too.
func sameTime(noted, now time.Time) bool {
	return noted.Unix() == now.Unix() && (noted.Nanosecond() == 0 || noted.Nanosecond() == now.Nanosecond())
}

func (c *Checkout) hash(name string, size int64) (plumbing.Hash, error) {
	f, err := c.root.Open(name)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	h := plumbing.NewHasher(plumbing.BlobObject, size)
	n, err := io.Copy(h, io.LimitReader(f, size))
	if err == nil && n != size {
		err = errors.New("became shorter")
	}
	return h.Sum(), err
}

// converted is the hash of a file with line ends as they are committed.
func (c *Checkout) converted(name string, size int64) plumbing.Hash {
	if size > maxObject {
		return plumbing.ZeroHash
	}
	text, err := fs.ReadFile(c.root.FS(), name)
	if err != nil {
		return plumbing.ZeroHash
	}
	return plumbing.ComputeHash(plumbing.BlobObject, bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
}
