package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Defaults of [Limits]. They fit a monorepo of some ten thousand files and
// keep a hostile archive from filling the memory of the sidecar.
const (
	DefaultMaxFiles      = 100_000
	DefaultMaxFileBytes  = 16 << 20
	DefaultMaxTotalBytes = 256 << 20
	DefaultMaxDepth      = 64
)

// Limits bounds what a Tree takes in. A zero field means its default.
type Limits struct {
	// MaxFiles is the number of entries in an archive, and of files that are
	// opened in a directory. Flag --max-files.
	MaxFiles int
	// MaxFileBytes is the size of one file. Flag --max-file-bytes.
	MaxFileBytes int64
	// MaxTotalBytes is the size of all files kept from an archive, or read
	// from a directory. Flag --max-total-bytes.
	MaxTotalBytes int64
	// MaxDepth is the number of path segments. Flag --max-depth.
	MaxDepth int
}

func (l Limits) withDefaults() Limits {
	if l.MaxFiles <= 0 {
		l.MaxFiles = DefaultMaxFiles
	}
	if l.MaxFileBytes <= 0 {
		l.MaxFileBytes = DefaultMaxFileBytes
	}
	if l.MaxTotalBytes <= 0 {
		l.MaxTotalBytes = DefaultMaxTotalBytes
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	return l
}

// Tree is a confined, read-only repository. Names are slash-separated and
// relative to the root, as fs.ValidPath requires.
type Tree interface {
	fs.ReadFileFS
	fs.ReadDirFS
	fs.StatFS
}

var (
	// ErrOutside is returned for a name or a link that leaves the tree.
	ErrOutside = errors.New("leaves the repository")
	// ErrIrregular is returned for devices, sockets, pipes and hard links.
	ErrIrregular = errors.New("is not a regular file")
	// ErrLimit is wrapped by every refusal that a Limits field causes. The
	// text of the wrapping error names the flag that raises it.
	ErrLimit = errors.New("limit exceeded")
)

func tooLarge(name string, limit int64) error {
	return fmt.Errorf("%s is larger than %d bytes (--max-file-bytes): %w", name, limit, ErrLimit)
}

func tooMuch(limit int64) error {
	return fmt.Errorf("the files add up to more than %d bytes (--max-total-bytes): %w", limit, ErrLimit)
}

func tooMany(limit int) error {
	return fmt.Errorf("more than %d files (--max-files): %w", limit, ErrLimit)
}

func tooDeep(name string, limit int) error {
	const shown = 60
	if len(name) > shown {
		name = name[:shown] + "…"
	}
	return fmt.Errorf("%s is nested deeper than %d directories (--max-depth): %w", name, limit, ErrLimit)
}

// depth is the number of segments of a cleaned slash path.
func depth(name string) int { return strings.Count(name, "/") + 1 }

// inGit reports whether name is .git or lies below a directory of that name.
// The comparison ignores case, as the file systems of macOS and Windows do.
func inGit(name string) bool {
	for name != "" {
		var segment string
		segment, name, _ = strings.Cut(name, "/")
		if strings.EqualFold(segment, ".git") {
			return true
		}
	}
	return false
}

// pathError is a *fs.PathError, to errors.As, whose text leaves out Op: the
// reader of a message did not call anything.
type pathError struct{ fs.PathError }

func newPathError(op, name string, err error) error {
	return &pathError{fs.PathError{Op: op, Path: path.Clean(name), Err: err}}
}

func (e *pathError) Error() string { return e.Path + ": " + e.Err.Error() }

// As implements the interface of errors.As.
func (e *pathError) As(target any) bool {
	pe, ok := target.(**fs.PathError)
	if ok {
		*pe = &e.PathError
	}
	return ok
}
