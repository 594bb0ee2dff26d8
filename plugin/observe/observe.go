package observe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"time"
)

// Operation is what is asked about a name.
type Operation uint8

// The operations of a tree.
const (
	Stat Operation = iota
	Read
	List
)

// Ask is one question about a tree.
type Ask struct {
	Op   Operation
	Name string
}

// Answer is all that a render can learn from one Ask.
type Answer struct {
	Entry   Entry
	Data    []byte
	Entries []Entry
	Problem Problem
}

// Entry is an fs.FileInfo and an fs.DirEntry. It has no permissions: they
// depend on the umask of whoever made the archive.
type Entry struct {
	FileName string
	FileType fs.FileMode
	FileSize int64
}

func entryOf(i fs.FileInfo) Entry {
	e := Entry{FileName: i.Name(), FileType: i.Mode().Type()}
	if i.Mode().IsRegular() {
		e.FileSize = i.Size()
	}
	return e
}

// The methods of fs.FileInfo and fs.DirEntry.
func (e Entry) Name() string               { return e.FileName }
func (e Entry) Size() int64                { return e.FileSize }
func (e Entry) ModTime() time.Time         { return time.Time{} }
func (e Entry) IsDir() bool                { return e.FileType.IsDir() }
func (e Entry) Sys() any                   { return nil }
func (e Entry) Type() fs.FileMode          { return e.FileType }
func (e Entry) Info() (fs.FileInfo, error) { return e, nil }
func (e Entry) Mode() fs.FileMode {
	if e.IsDir() {
		return e.FileType | 0o555
	}
	return e.FileType | 0o444
}

// Problem is an error as the other side of a pipe sees it; the zero value is
// none.
type Problem struct {
	Text     string
	NotExist bool
}

func problemOf(err error) Problem {
	if err == nil {
		return Problem{}
	}
	return Problem{Text: err.Error(), NotExist: errors.Is(err, fs.ErrNotExist)}
}

func (p Problem) err() error {
	if p.Text == "" {
		return nil
	}
	return problemError{p}
}

type problemError struct{ problem Problem }

func (e problemError) Error() string { return e.problem.Text }

func (e problemError) Is(target error) bool { return target == fs.ErrNotExist && e.problem.NotExist }

// Source is where answers come from.
type Source interface {
	fs.ReadFileFS
	fs.ReadDirFS
	fs.StatFS
}

// Look answers a from tree.
func Look(tree Source, a Ask) Answer {
	switch a.Op {
	case Stat:
		i, err := tree.Stat(a.Name)
		if err != nil {
			return Answer{Problem: problemOf(err)}
		}
		return Answer{Entry: entryOf(i)}
	case Read:
		data, err := tree.ReadFile(a.Name)
		return Answer{Data: data, Problem: problemOf(err)}
	case List:
		list, err := tree.ReadDir(a.Name)
		entries := make([]Entry, len(list))
		for i, e := range list {
			entries[i] = Entry{FileName: e.Name(), FileType: e.Type()}
		}
		return Answer{Entries: entries, Problem: problemOf(err)}
	}
	return Answer{Problem: Problem{Text: "unknown operation"}}
}

// Digest is equal for equal answers, and different for different ones, as far
// as SHA-256 is.
func (a Answer) Digest() [sha256.Size]byte {
	h := sha256.New()
	var buffer []byte
	text := func(s string) {
		buffer = binary.AppendUvarint(buffer, uint64(len(s)))
		buffer = append(buffer, s...)
	}
	entry := func(e Entry) {
		text(e.FileName)
		buffer = binary.AppendUvarint(buffer, uint64(e.FileType))
		buffer = binary.AppendVarint(buffer, e.FileSize)
	}
	text(a.Problem.Text)
	if a.Problem.NotExist {
		buffer = append(buffer, 1)
	}
	entry(a.Entry)
	buffer = binary.AppendUvarint(buffer, uint64(len(a.Entries)))
	for _, e := range a.Entries {
		entry(e)
	}
	h.Write(buffer)
	h.Write(a.Data)
	return [sha256.Size]byte(h.Sum(nil))
}

// DigestAll is a digest of all answers that tree gives to asks.
func DigestAll(tree Source, asks []Ask) [sha256.Size]byte {
	h := sha256.New()
	for _, a := range asks {
		d := Look(tree, a).Digest()
		h.Write(d[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
