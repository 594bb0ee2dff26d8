package source

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Dir is a Tree over a directory. Confinement is that of [os.Root]: no name
// and no link reaches a file outside, whatever changes underneath meanwhile.
type Dir struct {
	root   *os.Root
	limits Limits
	files  atomic.Int64
	bytes  atomic.Int64
	// plain are the directories that are known to be no links.
	plain sync.Map
}

var _ Tree = (*Dir)(nil)

// OpenDir opens the directory at path. The caller closes the Dir.
func OpenDir(path string, limits Limits) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root, limits: limits.withDefaults()}, nil
}

// Close releases the directory; every later read fails.
func (d *Dir) Close() error { return d.root.Close() }

// Open implements fs.FS.
func (d *Dir) Open(name string) (fs.File, error) {
	info, at, err := d.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		f, err := d.root.Open(at)
		if err != nil {
			return nil, d.translate("open", name, err)
		}
		return &dirFile{File: f, dir: d, name: name}, nil
	}
	data, err := d.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return newMemFile(info, data), nil
}

// ReadFile implements fs.ReadFileFS.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	info, at, err := d.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, newPathError("open", name, errors.New("is a directory"))
	}
	if info.Size() > d.limits.MaxFileBytes {
		return nil, tooLarge(name, d.limits.MaxFileBytes)
	}
	if d.files.Add(1) > int64(d.limits.MaxFiles) {
		return nil, tooMany(d.limits.MaxFiles)
	}
	f, err := d.root.Open(at)
	if err != nil {
		return nil, d.translate("open", name, err)
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	// The size is read again while reading: the file may have grown.
	read := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := read.ReadFrom(io.LimitReader(f, d.limits.MaxFileBytes+1)); err != nil {
		return nil, d.translate("read", name, err)
	}
	data := read.Bytes()
	if int64(len(data)) > d.limits.MaxFileBytes {
		return nil, tooLarge(name, d.limits.MaxFileBytes)
	}
	if d.bytes.Add(int64(len(data))) > d.limits.MaxTotalBytes {
		return nil, tooMuch(d.limits.MaxTotalBytes)
	}
	return data, nil
}

// ReadDir implements fs.ReadDirFS. Entries are sorted by name; .git is absent.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	_, at, err := d.stat("readdir", name)
	if err != nil {
		return nil, err
	}
	f, err := d.root.Open(at)
	if err != nil {
		return nil, d.translate("readdir", name, err)
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	entries, err := f.ReadDir(d.limits.MaxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, d.translate("readdir", name, err)
	}
	if len(entries) > d.limits.MaxFiles {
		return nil, tooMany(d.limits.MaxFiles)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return inGit(e.Name()) })
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat implements fs.StatFS. Links are followed.
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	info, _, err := d.stat("stat", name)
	return info, err
}

// stat also returns where name leads to, without links.
func (d *Dir) stat(op, name string) (fs.FileInfo, string, error) {
	at, err := resolve(op, name, d.link)
	if err != nil {
		return nil, "", err
	}
	if depth(at) > d.limits.MaxDepth {
		return nil, "", tooDeep(name, d.limits.MaxDepth)
	}
	// Asked before opening: opening a named pipe would wait for a writer.
	info, err := d.root.Lstat(filepath.FromSlash(at))
	if err != nil {
		return nil, "", d.translate(op, name, err)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, "", newPathError(op, name, ErrIrregular)
	}
	return info, filepath.FromSlash(at), nil
}

func (d *Dir) link(at string) (string, error) {
	if _, ok := d.plain.Load(at); ok {
		return "", nil
	}
	info, err := d.root.Lstat(filepath.FromSlash(at))
	if err != nil {
		return "", cause(err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if info.IsDir() {
			d.plain.Store(at, true)
		}
		return "", nil
	}
	target, err := d.root.Readlink(filepath.FromSlash(at))
	if err != nil {
		return "", cause(err)
	}
	if filepath.IsAbs(target) {
		return "", ErrOutside
	}
	return filepath.ToSlash(target), nil
}

// translate names the path relative to the root.
func (d *Dir) translate(op, name string, err error) error {
	return newPathError(op, name, cause(err))
}

// cause drops the path from an error and recognises the refusal of os.Root,
// which has no exported error (go.dev/issue/70007).
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if err.Error() == "path escapes from parent" {
		return ErrOutside
	}
	return err
}

// dirFile is an open directory whose listing hides what a Tree hides.
type dirFile struct {
	*os.File
	dir  *Dir
	name string
	rest []fs.DirEntry
	read bool
}

func (f *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.read {
		entries, err := f.dir.ReadDir(f.name)
		if err != nil {
			return nil, err
		}
		f.rest, f.read = entries, true
	}
	return nextEntries(&f.rest, n)
}

// nextEntries takes up to n entries off rest, as fs.ReadDirFile requires.
func nextEntries(rest *[]fs.DirEntry, n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(*rest)
	} else if len(*rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(*rest))
	out := (*rest)[:n]
	*rest = (*rest)[n:]
	return out, nil
}

// FindRoot returns the root of the repository that holds dir, and dir's path
// inside it. It is the directory below `_cmp_server` where argocd-cmp-server
// unpacks a request, else the nearest directory that holds .git, else
// fallback if dir lies below it, else dir itself.
//
// argocd-cmp-server's layout (util/cmp and cmpserver/plugin of Argo CD) is
// the only hint that also holds when Argo CD narrows the archive to the
// common ancestor of manifest-generate-paths: ARGOCD_APP_SOURCE_PATH does not.
func FindRoot(dir, fallback string) (root, rel string, err error) {
	if dir, err = realPath(dir); err != nil {
		return "", "", err
	}
	root = dir
	if fallback, err := realPath(fallback); err == nil {
		if rel, err := filepath.Rel(fallback, dir); err == nil && filepath.IsLocal(rel) {
			root = fallback
		}
	}
	for at := dir; ; at = filepath.Dir(at) {
		if filepath.Base(filepath.Dir(at)) == "_cmp_server" {
			root = at
			break
		}
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			root = at
			break
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	rel, err = filepath.Rel(root, dir)
	return root, filepath.ToSlash(rel), err
}

// realPath is the absolute path without links.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
