package source

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// maxLinks is how many symbolic links one name may lead through, as on Linux.
const maxLinks = 40

// resolve follows the links in every segment of name and returns the path
// without links. lookup returns the target of the link at a path that has no
// links before its last segment, "" if it is none.
//
// A name that leads below .git does not exist, whatever links lead there.
func resolve(op, name string, lookup func(at string) (target string, err error)) (string, error) {
	if !fs.ValidPath(name) {
		return "", newPathError(op, name, fs.ErrInvalid)
	}
	at, rest, links := ".", name, 0
	for rest != "" {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		switch next := path.Join(at, segment); {
		case segment == "" || segment == ".":
		case segment == "..":
			if at == "." {
				return "", newPathError(op, name, ErrOutside)
			}
			at = path.Dir(at)
		case inGit(next):
			return "", newPathError(op, name, fs.ErrNotExist)
		default:
			target, err := lookup(next)
			if err != nil {
				return "", newPathError(op, name, err)
			}
			if target == "" {
				at = next
				continue
			}
			if links++; links > maxLinks {
				return "", newPathError(op, name, errors.New("too many levels of symbolic links"))
			}
			if strings.HasPrefix(target, "/") || strings.Contains(target, `\`) {
				return "", newPathError(op, name, ErrOutside)
			}
			rest = target + "/" + rest
		}
	}
	return at, nil
}
