package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// Repository is an open tree and the application's directory in it.
type Repository struct {
	Tree *source.Dir
	// Dir is slash-separated and relative to the tree.
	Dir string

	root string
}

// Root is the directory of the tree on disk. It is not for messages.
func (r Repository) Root() string { return r.root }

// OpenRepository opens the repository that holds dir. root names it; empty
// means that it is found by source.FindRoot, with the working directory as
// the last resort. The caller closes the tree.
//
// Errors name dir as it was given, never where it lies.
func OpenRepository(dir, root string, limits source.Limits) (Repository, error) {
	var rel string
	var err error
	if root == "" {
		root, rel, err = source.FindRoot(dir, ".")
	} else {
		rel, err = below(root, dir)
	}
	if err != nil {
		return Repository{}, fmt.Errorf("%s: %w", dir, withoutPath(err))
	}
	tree, err := source.OpenDir(root, limits)
	if err != nil {
		return Repository{}, fmt.Errorf("%s: %w", dir, withoutPath(err))
	}
	return Repository{Tree: tree, Dir: rel, root: root}, nil
}

func below(root, dir string) (string, error) {
	var paths [2]string
	for i, p := range []string{root, dir} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		if paths[i], err = filepath.EvalSymlinks(abs); err != nil {
			return "", err
		}
	}
	rel, err := filepath.Rel(paths[0], paths[1])
	if err != nil || !filepath.IsLocal(rel) {
		return "", errors.New("is not inside --repository-root")
	}
	return filepath.ToSlash(rel), nil
}

// withoutPath drops the path that the system puts into an error.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		err = le.Err
	}
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("no such directory")
	}
	return err
}
