package worker

import (
	"errors"
	"io/fs"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

// A conversation over a pipe, in gob: the pool sends a job; the process answers
// with asks, each of which gets an answer, and at last with a result.
type (
	job struct {
		// Announce asks for the parameters instead of the manifests.
		Announce bool
		Request  plugin.Request
	}

	// said is what a process says: one of the two is set.
	said struct {
		Ask    *ask
		Result *result
	}

	ask struct {
		Op   operation
		Name string
	}

	answer struct {
		Info    info
		Data    []byte
		Entries []info
		Problem problem
	}

	result struct {
		Manifests     []string
		Announcements []plugin.Announcement
		// Error is the text for people; empty for success.
		Error string
	}
)

type operation int

const (
	opStat operation = iota
	opRead
	opList
)

// info is an fs.FileInfo and an fs.DirEntry that can be sent.
type info struct {
	FileName string
	FileMode fs.FileMode
	FileSize int64
}

func infoOf(i fs.FileInfo) info {
	return info{FileName: i.Name(), FileMode: i.Mode(), FileSize: i.Size()}
}

func (i info) Name() string               { return i.FileName }
func (i info) Size() int64                { return i.FileSize }
func (i info) Mode() fs.FileMode          { return i.FileMode }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.FileMode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.FileMode.Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

// problem is an error that can be sent; the zero value is none.
type problem struct {
	Text     string
	NotExist bool
}

func problemOf(err error) problem {
	if err == nil {
		return problem{}
	}
	return problem{Text: err.Error(), NotExist: errors.Is(err, fs.ErrNotExist)}
}

func (p problem) err() error {
	if p.Text == "" {
		return nil
	}
	return treeError{p}
}

// treeError is a problem on the other side of the pipe.
type treeError struct{ problem }

func (e treeError) Error() string { return e.Text }

func (e treeError) Is(target error) bool { return target == fs.ErrNotExist && e.NotExist }
