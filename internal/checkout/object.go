package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// errMissing is an object that a shallow or partial clone has not fetched.
var errMissing = errors.New("is not in what was fetched of the repository; fetch its history (in GitHub Actions, fetch-depth: 0)")

// What object reads at most: the bytes of a commit, a tree or a file, 64 MiB,
// and the differences that it is stored as. git makes no more than 4,095.
const (
	maxObject = 64 << 20
	maxChain  = 4096
)

// sound follows the differences that an object is stored as to the object that
// they begin with. The library follows them without an end. What another
// repository holds, for this one to share, is not followed.
func (c *Checkout) sound(hash plumbing.Hash) error {
	at := hash
	for range maxChain {
		if c.read[at] {
			c.read[hash] = true
			return nil
		}
		o, err := c.store.DeltaObject(plumbing.AnyObject, at)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil // the library looks elsewhere
		}
		if err != nil {
			return errDamaged
		}
		delta, ok := o.(plumbing.DeltaObject)
		if !ok {
			if o.Size() > maxObject {
				return fmt.Errorf("has %d bytes; %d are read", o.Size(), maxObject)
			}
			c.read[hash] = true
			return nil
		}
		at = delta.BaseHash()
	}
	return errDamaged
}

// object is the content of an object.
func (c *Checkout) object(kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
	if err := c.sound(hash); err != nil {
		return nil, fmt.Errorf("%s %.7s: %w", kind, hash, err)
	}
	o, err := c.store.EncodedObject(kind, hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%s %.7s: %w", kind, hash, errMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %.7s: %w", kind, hash, errDamaged)
	}
	if o.Size() > maxObject {
		return nil, fmt.Errorf("%s %.7s: has %d bytes; %d are read", kind, hash, o.Size(), maxObject)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("%s %.7s: %w", kind, hash, errDamaged)
	}
	defer r.Close() //nolint:errcheck // read into memory already
	data, err := io.ReadAll(io.LimitReader(r, maxObject))
	if err != nil {
		return nil, fmt.Errorf("%s %.7s: %w", kind, hash, errDamaged)
	}
	return data, nil
}

// commit is what is used of a commit.
type commit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
	// time is the committer's, in seconds.
	time int64
}

func (c *Checkout) commit(hash plumbing.Hash) (commit, error) {
	var result commit
	text, err := c.object(plumbing.CommitObject, hash)
	if err != nil {
		return result, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch name {
		case "":
			return result, nil // the message begins
		case "tree":
			result.tree = plumbing.NewHash(value)
		case "parent":
			result.parents = append(result.parents, plumbing.NewHash(value))
		case "committer":
			if fields := strings.Fields(value); len(fields) > 1 {
				result.time, _ = strconv.ParseInt(fields[len(fields)-2], 10, 64) // zero is old enough
			}
		}
	}
	return result, nil
}

// The modes of entries in a tree.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeLink       = "120000"
	modeModule     = "160000"
	modeTree       = "40000"
)

// entry is one name in a tree.
type entry struct {
	mode string
	hash plumbing.Hash
}

// tree calls do for every entry of one tree.
func (c *Checkout) tree(hash plumbing.Hash, do func(name string, e entry) error) error {
	text, err := c.object(plumbing.TreeObject, hash)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		mode, rest, ok := bytes.Cut(text, []byte(" "))
		name, rest, also := bytes.Cut(rest, []byte("\x00"))
		if !ok || !also || len(rest) < len(plumbing.ZeroHash) || len(name) == 0 || bytes.ContainsRune(name, '/') {
			return fmt.Errorf("tree %.7s: %w", hash, errDamaged)
		}
		e := entry{mode: string(mode)}
		copy(e.hash[:], rest)
		text = rest[len(e.hash):]
		if err := do(string(name), e); err != nil {
			return err
		}
	}
	return nil
}

// What walk reads at most: how deep trees lie in each other, and how many
// trees and files there are in all. A tree can stand in another many times, so
// that few objects make many names.
const (
	maxDepth   = 128
	maxEntries = 1_000_000
)

// walk calls do for everything below a tree that is no tree.
func (c *Checkout) walk(ctx context.Context, top plumbing.Hash, do func(name string, e entry) error) error {
	entries := 0
	var walk func(hash plumbing.Hash, prefix string, depth int) error
	walk = func(hash plumbing.Hash, prefix string, depth int) error {
		if depth > maxDepth {
			return fmt.Errorf("tree %.7s: lies deeper than %d directories", hash, maxDepth)
		}
		return c.tree(hash, func(name string, e entry) error {
			if entries++; entries > maxEntries {
				return fmt.Errorf("tree %.7s: has more than %d files and directories", top, maxEntries)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if e.mode == modeTree {
				return walk(e.hash, prefix+name+"/", depth+1)
			}
			return do(prefix+name, e)
		})
	}
	return walk(top, "", 0)
}

// lookup is the entry with a path below a tree; false if there is none.
func (c *Checkout) lookup(tree plumbing.Hash, path string) (entry, bool, error) {
	at := entry{mode: modeTree, hash: tree}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." {
			continue
		}
		if at.mode != modeTree {
			return entry{}, false, nil
		}
		var found *entry
		err := c.tree(at.hash, func(name string, e entry) error {
			if name == part {
				found = &e
			}
			return nil
		})
		if err != nil || found == nil {
			return entry{}, false, err
		}
		at = *found
	}
	return at, true, nil
}
