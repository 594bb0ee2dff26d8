package checkout

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/hash"
)

// Changed returns the files that are not what the checked out commit has,
// sorted: those that git diff and git diff --staged show. Files that git does
// not know are left out, but for those in must.
//
// A file whose size and time are those that git noted is taken as unchanged,
// as git does, but for those in must, which are read. Filters and line ends of
// .gitattributes are not looked at: what they make of a file counts as a change
// once it is read. Files that git was told to leave alone (update-index
// --assume-unchanged) are looked at like others.
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
	err = c.walk(ctx, head.tree, func(name string, e entry) error {
		committed[name] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	staged, noted, err := c.index()
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	read := map[string]bool{} // whatever their time says
	for _, name := range must {
		if _, ok := committed[c.prefix+name]; !ok {
			changed[c.prefix+name] = true
		}
		read[c.prefix+name] = true
	}
	for _, e := range staged {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		was, ok := committed[e.Name]
		conflict := e.Stage != 0
		if !ok || conflict || e.IntentToAdd || was.hash != e.Hash || was.mode != mode(e) || c.edited(e, noted, read[e.Name]) {
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

// maxIndex bounds the index: 256 MiB, of about two million files.
const maxIndex = 256 << 20

// index are the entries of the index, and when it was written.
func (c *Checkout) index() ([]*index.Entry, time.Time, error) {
	var never time.Time
	info, err := c.store.Filesystem().Stat("index")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, never, nil // all is deleted
	}
	if err != nil {
		return nil, never, errDamaged
	}
	if info.Size() > maxIndex {
		return nil, never, fmt.Errorf("the index has %d bytes; %d are read", info.Size(), maxIndex)
	}
	text, err := util.ReadFile(c.store.Filesystem(), "index")
	if err != nil {
		return nil, never, errDamaged
	}
	// With index.skipHash, git writes zeros for the checksum.
	if at := len(text) - hash.Size; at >= 0 && len(bytes.Trim(text[at:], "\x00")) == 0 {
		h := hash.New(crypto.SHA1)
		h.Write(text[:at]) //nolint:gosec // a hash takes everything
		text = h.Sum(text[:at:at])
	}
	var decoded index.Index
	err = index.NewDecoder(bytes.NewReader(text)).Decode(&decoded)
	if errors.Is(err, index.ErrUnknownExtension) {
		return nil, never, errors.New("a split or sparse index is not read; git update-index --no-split-index and git sparse-checkout init --no-sparse-index write another")
	}
	if err != nil {
		return nil, never, errDamaged
	}
	return decoded.Entries, info.ModTime(), nil
}

// edited tells whether the file differs from what is staged. Unless read is
// true, its size and time may decide.
func (c *Checkout) edited(e *index.Entry, noted time.Time, read bool) bool {
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
	if !read && int64(e.Size) == info.Size()&0xffffffff && sameTime(e.ModifiedAt, info.ModTime(), noted) {
		return false
	}
	hash, err := c.hash(e.Name, info.Size())
	if err != nil || hash == e.Hash {
		return err != nil
	}
	return !c.convertLines || c.converted(e.Name, info.Size()) != e.Hash
}

// sameTime compares a file's time with what the index has. A file that was
// written in the moment of the index may have changed after, which is a second
// where a git that keeps no nanoseconds wrote it.
func sameTime(written, now, noted time.Time) bool {
	if written.Nanosecond() == 0 {
		return written.Unix() == now.Unix() && written.Unix() < noted.Unix()
	}
	return written.Equal(now) && written.Before(noted)
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
