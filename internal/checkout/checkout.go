package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// Errors that callers tell apart.
var (
	ErrNone     = errors.New("is not in a git repository")
	ErrDetached = errors.New("HEAD is detached: check out a branch")
	ErrUnborn   = errors.New("there is no commit yet")
)

// errDamaged is what is said of files in .git that cannot be decoded: the
// library's texts may hold paths and content.
var errDamaged = errors.New("what is in .git cannot be read; git fsck may tell more")

// Checkout is an open working tree. Close it.
type Checkout struct {
	store *filesystem.Storage
	root  *os.Root
	// prefix is where the directory is that was opened, below the root: empty
	// or with a slash at its end.
	prefix string
	// ignoreModes and convertLines are what the repository's configuration
	// says about its files.
	ignoreModes, convertLines bool
	// read are objects that end in one that is whole; see sound.
	read map[plumbing.Hash]bool
}

// Open opens the working tree that holds dir. Paths are relative to dir from
// then on.
func Open(dir string) (*Checkout, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, ErrNone
	}
	at := dir
	for {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			break
		}
		if filepath.Dir(at) == at {
			return nil, ErrNone
		}
		at = filepath.Dir(at)
	}
	files, err := repository(at)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, ErrNone
	}
	c := &Checkout{
		store: filesystem.NewStorageWithOptions(files, cache.NewObjectLRUDefault(), filesystem.Options{
			KeepDescriptors: true, LargeObjectThreshold: maxObject, AlternatesFS: regular{osfs.New(string(filepath.Separator))},
		}),
		root: root,
		read: map[plumbing.Hash]bool{},
	}
	if rel, err := filepath.Rel(at, dir); err == nil && rel != "." {
		c.prefix = filepath.ToSlash(rel) + "/"
	}
	if err := c.configure(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close frees what Open opened.
func (c *Checkout) Close() {
	c.store.Close() //nolint:errcheck,gosec // opened for reading only
	c.root.Close()  //nolint:errcheck,gosec // opened for reading only
}

// repository is the content of .git. In a working tree of git worktree, and in
// a submodule, .git is a file that says where it is.
func repository(at string) (billy.Filesystem, error) {
	dir := filepath.Join(at, ".git")
	info, err := os.Stat(dir)
	if err != nil {
		return nil, errDamaged
	}
	if !info.IsDir() {
		if dir, err = follow(at, dir, "gitdir: "); err != nil {
			return nil, err
		}
	}
	own := regular{osfs.New(dir)}
	common := filepath.Join(dir, "commondir")
	if _, err := os.Stat(common); errors.Is(err, fs.ErrNotExist) {
		return own, nil
	}
	if common, err = follow(dir, common, ""); err != nil {
		return nil, err
	}
	return dotgit.NewRepositoryFilesystem(own, regular{osfs.New(common)}), nil
}

// regular opens regular files only: a pipe would never be read to its end.
type regular struct{ billy.Filesystem }

// Open opens a file for reading.
func (r regular) Open(name string) (billy.File, error) { return r.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a file as its flags say.
func (r regular) OpenFile(name string, flag int, perm fs.FileMode) (billy.File, error) {
	if info, err := r.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, errDamaged
	}
	return r.Filesystem.OpenFile(name, flag, perm)
}

// follow reads the path in a file, which is relative to dir.
func follow(dir, file, before string) (string, error) {
	const most = 4096
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > most {
		return "", errDamaged
	}
	text, err := os.ReadFile(file) //nolint:gosec // git's own pointer to its directory
	path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), before)
	if err != nil || !ok || path == "" {
		return "", errDamaged
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return path, nil
}

// configure refuses forms of a repository that the library does not read.
func (c *Checkout) configure() error {
	config, err := c.store.Config()
	if err != nil {
		return errDamaged
	}
	extensions, core := config.Raw.Section("extensions"), config.Raw.Section("core")
	if version := core.Option("repositoryformatversion"); version != "" && version != "0" && version != "1" {
		return fmt.Errorf("repositories of format %.10q are not supported", version)
	}
	if format := extensions.Option("objectformat"); format != "" && !strings.EqualFold(format, "sha1") {
		return errors.New("repositories with SHA-256 are not supported")
	}
	if storage := extensions.Option("refstorage"); storage != "" && !strings.EqualFold(storage, "files") {
		return errors.New("repositories with reftable are not supported")
	}
	// As git does, what may change the meaning of the other files is refused.
	for _, o := range extensions.Options {
		if core.Option("repositoryformatversion") == "1" && !slices.Contains(extensionsRead, strings.ToLower(o.Key)) {
			return fmt.Errorf("repositories with the extension %.30q are not supported", o.Key)
		}
	}
	c.ignoreModes = strings.EqualFold(core.Option("filemode"), "false") || !modes
	convert := core.Option("autocrlf")
	c.convertLines = strings.EqualFold(convert, "true") || strings.EqualFold(convert, "input") || !modes
	return nil
}

// extensionsRead change nothing about what is read here, or are looked at.
var extensionsRead = []string{"noop", "objectformat", "partialclone", "preciousobjects", "refstorage", "relativeworktrees", "worktreeconfig"}

// modes is false on Windows: files have no mode there, and git converts the
// ends of lines as it is installed.
const modes = filepath.Separator == '/'

// Branch is the name of the branch that is checked out. ErrDetached and
// ErrUnborn are where there is none.
func (c *Checkout) Branch() (string, error) {
	head, err := c.store.Reference(plumbing.HEAD)
	if err != nil {
		return "", errDamaged
	}
	if head.Type() != plumbing.SymbolicReference {
		if head.Hash().IsZero() {
			return "", errDamaged
		}
		return "", ErrDetached
	}
	if _, err := c.store.Reference(head.Target()); err != nil {
		return "", ErrUnborn
	}
	return head.Target().Short(), nil
}

// head is the commit that is checked out.
func (c *Checkout) head() (plumbing.Hash, error) {
	return c.reference(plumbing.HEAD)
}

// reference follows symbolic references to a commit or a tag.
func (c *Checkout) reference(name plumbing.ReferenceName) (plumbing.Hash, error) {
	for range 5 {
		ref, err := c.store.Reference(name)
		switch {
		case errors.Is(err, plumbing.ErrReferenceNotFound):
			return plumbing.ZeroHash, ErrUnborn
		case err != nil:
			return plumbing.ZeroHash, errDamaged
		case ref.Type() == plumbing.HashReference:
			return ref.Hash(), nil
		}
		name = ref.Target()
	}
	return plumbing.ZeroHash, fmt.Errorf("%s: %w", name, errDamaged)
}
