package observe

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
)

// Tree is a file system whose answers come from elsewhere. It is for one
// goroutine.
type Tree struct {
	ask  func(Ask) (Answer, error)
	seen map[Ask]Answer
}

var _ Source = (*Tree)(nil)

// NewTree returns a tree that asks ask, once for each question. known are
// answers that are there already; they count as asked when they are used. An
// error of ask is returned to the reader as it is.
func NewTree(known map[Ask]Answer, ask func(Ask) (Answer, error)) *Tree {
	t := &Tree{seen: map[Ask]Answer{}}
	t.ask = func(a Ask) (Answer, error) {
		if answer, ok := known[a]; ok {
			return answer, nil
		}
		return ask(a)
	}
	return t
}

// Asked lists what has been asked, sorted.
func (t *Tree) Asked() []Ask {
	asks := make([]Ask, 0, len(t.seen))
	for a := range t.seen {
		asks = append(asks, a)
	}
	slices.SortFunc(asks, func(a, b Ask) int {
		if a.Name != b.Name {
			if a.Name < b.Name {
				return -1
			}
			return 1
		}
		return int(a.Op) - int(b.Op)
	})
	return asks
}

func (t *Tree) get(op Operation, name string) (Answer, error) {
	a := Ask{op, name}
	answer, ok := t.seen[a]
	if !ok {
		var err error
		if answer, err = t.ask(a); err != nil {
			return Answer{}, err
		}
		t.seen[a] = answer
	}
	return answer, answer.Problem.err()
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	a, err := t.get(Stat, name)
	if err != nil {
		return nil, err
	}
	return a.Entry, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	a, err := t.get(Read, name)
	return bytes.Clone(a.Data), err
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	a, err := t.get(List, name)
	entries := make([]fs.DirEntry, len(a.Entries))
	for i, e := range a.Entries {
		entries[i] = e
	}
	return entries, err
}

// Open implements fs.FS for readers of files; directories are listed by
// ReadDir.
func (t *Tree) Open(name string) (fs.File, error) {
	info, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a directory")}
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &openFile{bytes.NewReader(data), info}, nil
}

type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }
