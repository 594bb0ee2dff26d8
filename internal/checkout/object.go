package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// errMissing is an object that a shallow or partial clone has not fetched.
var errMissing = errors.New("is not in what was fetched of the repository; fetch its history (in GitHub Actions, fetch-depth: 0)")

// maxObject bounds a commit, a tree or a file: 64 MiB.
const maxObject = 64 << 20

// object is the content of an object.
func (c *Checkout) object(kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
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

// maxDepth bounds how deep trees lie in each other.
const maxDepth = 128

// walk calls do for everything below a tree that is no tree.
func (c *Checkout) walk(hash plumbing.Hash, prefix string, depth int, do func(name string, e entry) error) error {
	if depth > maxDepth {
		return fmt.Errorf("tree %.7s: lies deeper than %d directories", hash, maxDepth)
	}
	return c.tree(hash, func(name string, e entry) error {
		if e.mode == modeTree {
			return c.walk(e.hash, prefix+name+"/", depth+1, do)
		}
		return do(prefix+name, e)
	})
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
