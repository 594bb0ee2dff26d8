package checkout

import (
	"container/heap"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Commit is one commit of the repository.
type Commit struct{ hash plumbing.Hash }

// String is the abbreviated hash.
func (c Commit) String() string { return c.hash.String()[:7] }

// Resolve finds the commit that a revision names: HEAD, a branch, a branch of
// a remote, a tag, or a hash of at least 4 digits, with ~N or ^ after it.
func (c *Checkout) Resolve(revision string) (Commit, error) {
	name, steps, err := ancestor(revision)
	if err != nil {
		return Commit{}, err
	}
	hash, err := c.named(name)
	if err != nil {
		return Commit{}, err
	}
	for ; steps > 0; steps-- {
		at, err := c.commit(hash)
		if err != nil {
			return Commit{}, err
		}
		if len(at.parents) == 0 {
			return Commit{}, fmt.Errorf("%s has no parent", Commit{hash})
		}
		hash = at.parents[0]
	}
	if _, err := c.commit(hash); err != nil {
		return Commit{}, err
	}
	return Commit{hash}, nil
}

// ancestor takes ~N and ^ from the end of a revision.
func ancestor(revision string) (name string, steps int, err error) {
	at := strings.IndexAny(revision, "~^")
	if at < 0 {
		return revision, 0, nil
	}
	const most = 10000
	name = revision[:at]
	for rest := revision[at:]; rest != ""; {
		sign := rest[0]
		digits := len(rest[1:]) - len(strings.TrimLeft(rest[1:], "0123456789"))
		n := 1
		if digits > 0 {
			n, err = strconv.Atoi(rest[1 : 1+digits])
		}
		if rest = rest[1+digits:]; sign == '^' && n != 1 || err != nil || sign != '~' && sign != '^' || n+steps > most {
			return "", 0, errors.New("expected a branch, a tag or a hash, and no more after it than ~N or ^")
		}
		steps += n
	}
	return name, steps, nil
}

func (c *Checkout) named(name string) (plumbing.Hash, error) {
	for _, form := range []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s", "refs/remotes/%s/HEAD"} {
		full := plumbing.ReferenceName(fmt.Sprintf(form, name))
		if full != plumbing.HEAD && (!strings.HasPrefix(string(full), "refs/") || full.Validate() != nil) {
			continue
		}
		hash, err := c.reference(full)
		if errors.Is(err, ErrUnborn) {
			continue
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		return c.peel(hash)
	}
	if len(name) >= 4 && len(name) <= 2*len(plumbing.ZeroHash) {
		return c.abbreviated(name)
	}
	return plumbing.ZeroHash, errUnknown
}

var errUnknown = errors.New("no such branch, tag or commit here; git fetch may bring it")

// peel is the commit that an annotated tag names.
func (c *Checkout) peel(hash plumbing.Hash) (plumbing.Hash, error) {
	for range 5 {
		text, err := c.object(plumbing.TagObject, hash)
		if err != nil {
			return hash, nil //nolint:nilerr // a commit, or what commit will complain about
		}
		value, ok := strings.CutPrefix(string(text), "object ")
		if !ok || len(value) < 40 {
			return hash, errDamaged
		}
		hash = plumbing.NewHash(value[:40])
	}
	return hash, errDamaged
}

func (c *Checkout) abbreviated(name string) (plumbing.Hash, error) {
	even := name[:len(name)&^1]
	prefix, err := hex.DecodeString(even)
	if err != nil {
		return plumbing.ZeroHash, errUnknown
	}
	hashes, err := c.store.HashesWithPrefix(prefix)
	if err != nil {
		return plumbing.ZeroHash, errDamaged
	}
	var found []plumbing.Hash
	for _, h := range hashes {
		if !strings.HasPrefix(h.String(), strings.ToLower(name)) {
			continue
		}
		if _, err := c.commit(h); err == nil && (len(found) == 0 || found[0] != h) {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return plumbing.ZeroHash, errUnknown
	case 1:
		return found[0], nil
	}
	return plumbing.ZeroHash, errors.New("more than one commit begins so; write more of the hash")
}

// What is known of a commit while a merge base is looked for.
const (
	ours = 1 << iota
	theirs
	// older is what comes before a commit that both sides have.
	older
)

// MergeBase is the commit from which HEAD and the other went different ways.
// Of several, it is the newest.
func (c *Checkout) MergeBase(ctx context.Context, with Commit) (Commit, error) {
	head, err := c.head()
	if err != nil {
		return Commit{}, err
	}
	w := walker{seen: map[plumbing.Hash]int{}}
	missing := false
	push := func(hash plumbing.Hash, flags int) {
		if w.seen[hash]|flags == w.seen[hash] {
			return
		}
		w.seen[hash] |= flags
		at, err := c.commit(hash)
		if err != nil {
			missing = true // the end of a shallow clone
			return
		}
		heap.Push(&w, visit{hash, at})
	}
	push(head, ours)
	push(with.hash, theirs)
	var common []visit
	// With clocks that are wrong, a commit may be visited before all that is
	// known of it; it is visited again then.
	for w.fresh() {
		if err := ctx.Err(); err != nil {
			return Commit{}, err
		}
		at, _ := heap.Pop(&w).(visit)
		flags := w.seen[at.hash]
		if flags == ours|theirs {
			common = append(common, at)
			flags |= older
		}
		for _, parent := range at.parents {
			push(parent, flags)
		}
	}
	best := visit{}
	for _, at := range common {
		if w.seen[at.hash]&older == 0 && (best.hash.IsZero() || at.time > best.time) {
			best = at
		}
	}
	switch {
	case !best.hash.IsZero():
		return Commit{best.hash}, nil
	case missing:
		return Commit{}, fmt.Errorf("the commit that HEAD and %s have in common %w", with, errMissing)
	}
	return Commit{}, fmt.Errorf("HEAD and %s have no commit in common", with)
}

type visit struct {
	hash plumbing.Hash
	commit
}

// walker is a queue of commits, the newest first.
type walker struct {
	queue []visit
	seen  map[plumbing.Hash]int
}

// fresh tells whether a commit is left that may lead to a common one.
func (w *walker) fresh() bool {
	return slices.ContainsFunc(w.queue, func(v visit) bool { return w.seen[v.hash]&older == 0 })
}

func (w *walker) Len() int           { return len(w.queue) }
func (w *walker) Less(i, j int) bool { return w.queue[i].time > w.queue[j].time }
func (w *walker) Swap(i, j int)      { w.queue[i], w.queue[j] = w.queue[j], w.queue[i] }
func (w *walker) Push(x any)         { v, _ := x.(visit); w.queue = append(w.queue, v) }
func (w *walker) Pop() any {
	last := w.queue[len(w.queue)-1]
	w.queue = w.queue[:len(w.queue)-1]
	return last
}

// Limits bound what Files reads. Zero means the default.
type Limits struct {
	Files int   // default 10,000
	Bytes int64 // default 64 MiB
}

// Files are the files below dir in a commit, by their path from dir. Links to
// files are followed inside the repository, once; modules are left out. Of a
// directory that is not there, there are none.
func (c *Checkout) Files(ctx context.Context, at Commit, dir string, limits Limits) (map[string][]byte, error) {
	if limits.Files == 0 {
		limits.Files = 10_000
	}
	if limits.Bytes == 0 {
		limits.Bytes = 64 << 20
	}
	com, err := c.commit(at.hash)
	if err != nil {
		return nil, err
	}
	dir = path.Join(c.prefix, dir)
	top, ok, err := c.lookup(com.tree, dir)
	if err != nil || !ok || top.mode != modeTree {
		return nil, err
	}
	files := map[string][]byte{}
	err = c.walk(ctx, top.hash, func(name string, e entry) error {
		if e.mode == modeModule {
			return nil
		}
		data, err := c.object(plumbing.BlobObject, e.hash)
		if err != nil {
			return err
		}
		if e.mode == modeLink {
			target, ok, err := c.lookup(com.tree, path.Join(dir, path.Dir(name), string(data)))
			if err != nil || !ok || target.mode != modeFile && target.mode != modeExecutable {
				return err
			}
			if data, err = c.object(plumbing.BlobObject, target.hash); err != nil {
				return err
			}
		}
		files[name] = data
		if limits.Bytes -= int64(len(data)); limits.Bytes < 0 || len(files) > limits.Files {
			return fmt.Errorf("%s in %s: has more files or bytes than the limits allow", dir, at)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}
