package source

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Memory is a Tree that is held in memory. It is safe for concurrent reads.
type Memory struct {
	nodes map[string]*node
	// What the archive had: entries of any kind, and bytes of files.
	entries int
	size    int64
}

var _ Tree = (*Memory)(nil)

type node struct {
	name  string
	mode  fs.FileMode
	data  []byte
	link  string // the target as written, for symbolic links
	names []string
}

func newMemory() *Memory {
	return &Memory{nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o555}}}
}

// NewMemory returns a tree of the given files. Their names must be valid for
// fs.FS, and none may be a directory of another.
func NewMemory(files map[string][]byte) (*Memory, error) {
	m := newMemory()
	for name, data := range files {
		if !fs.ValidPath(name) {
			return nil, newPathError("create", name, fs.ErrInvalid)
		}
		if err := m.addFile(name, data, 0o444); err != nil {
			return nil, err
		}
		m.entries, m.size = m.entries+1, m.size+int64(len(data))
	}
	return m, nil
}

// Size is the number of bytes of all files.
func (m *Memory) Size() int64 { return m.size }

// Received is the number of entries that the archive had, and Kept that of the
// directories, files and links in the tree.
func (m *Memory) Received() int { return m.entries }

// Kept is explained at Received.
func (m *Memory) Kept() int { return len(m.nodes) - 1 }

func (m *Memory) addDir(name string) error {
	if n, ok := m.nodes[name]; ok {
		if n.mode.IsDir() {
			return nil
		}
		return newPathError("extract", name, fs.ErrExist)
	}
	parent := path.Dir(name)
	if err := m.addDir(parent); err != nil {
		return err
	}
	m.insert(parent, name, &node{mode: fs.ModeDir | 0o555})
	return nil
}

func (m *Memory) addFile(name string, data []byte, mode fs.FileMode) error {
	return m.addLeaf(name, &node{mode: mode.Perm(), data: data})
}

// addLink refuses a target outside the tree by its text alone; a target that
// does not exist is found out when the link is read, as in a checkout.
func (m *Memory) addLink(name, target string) error {
	if target == "" || path.IsAbs(target) || strings.ContainsAny(target, "\x00\\") {
		return newPathError("link", name, ErrOutside)
	}
	if !fs.ValidPath(path.Join(path.Dir(name), target)) {
		return newPathError("link", name, ErrOutside)
	}
	return m.addLeaf(name, &node{mode: fs.ModeSymlink | 0o777, link: target})
}

func (m *Memory) addLeaf(name string, n *node) error {
	if old, ok := m.nodes[name]; ok {
		if old.mode.IsDir() {
			return newPathError("extract", name, fs.ErrExist)
		}
		n.name = old.name
		m.nodes[name] = n // tar: the last entry of a name wins
		return nil
	}
	parent := path.Dir(name)
	if err := m.addDir(parent); err != nil {
		return err
	}
	m.insert(parent, name, n)
	return nil
}

func (m *Memory) insert(parent, name string, n *node) {
	n.name = path.Base(name)
	m.nodes[name] = n
	m.nodes[parent].names = append(m.nodes[parent].names, n.name)
}

// find follows links in every segment of name.
func (m *Memory) find(op, name string) (*node, string, error) {
	at, err := resolve(op, name, func(at string) (string, error) {
		n, ok := m.nodes[at]
		if !ok {
			return "", fs.ErrNotExist
		}
		return n.link, nil
	})
	if err != nil {
		return nil, "", err
	}
	return m.nodes[at], at, nil
}

// Open implements fs.FS.
func (m *Memory) Open(name string) (fs.File, error) {
	n, at, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		entries, err := m.ReadDir(at)
		return &memDir{info: n, rest: entries}, err
	}
	return newMemFile(n, n.data), nil
}

// ReadFile implements fs.ReadFileFS.
func (m *Memory) ReadFile(name string) ([]byte, error) {
	n, _, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, newPathError("open", name, errors.New("is a directory"))
	}
	return bytes.Clone(n.data), nil
}

// Stat implements fs.StatFS. Links are followed.
func (m *Memory) Stat(name string) (fs.FileInfo, error) {
	n, _, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ReadDir implements fs.ReadDirFS. Entries are sorted by name.
func (m *Memory) ReadDir(name string) ([]fs.DirEntry, error) {
	n, at, err := m.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, newPathError("readdir", name, errors.New("is not a directory"))
	}
	entries := make([]fs.DirEntry, 0, len(n.names))
	for _, child := range n.names {
		entries = append(entries, fs.FileInfoToDirEntry(m.nodes[path.Join(at, child)]))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// The fs.FileInfo of a node. Times are zero: they are not content.
func (n *node) Name() string       { return n.name }
func (n *node) Size() int64        { return int64(len(n.data)) }
func (n *node) Mode() fs.FileMode  { return n.mode }
func (n *node) ModTime() time.Time { return time.Time{} }
func (n *node) IsDir() bool        { return n.mode.IsDir() }
func (n *node) Sys() any           { return nil }

type memFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func newMemFile(info fs.FileInfo, data []byte) *memFile {
	return &memFile{Reader: bytes.NewReader(data), info: info}
}

func (f *memFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memFile) Close() error               { return nil }

type memDir struct {
	info fs.FileInfo
	rest []fs.DirEntry
}

func (d *memDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *memDir) Close() error               { return nil }
func (d *memDir) Read([]byte) (int, error) {
	return 0, newPathError("read", d.info.Name(), errors.New("is a directory"))
}
func (d *memDir) ReadDir(n int) ([]fs.DirEntry, error) { return nextEntries(&d.rest, n) }
