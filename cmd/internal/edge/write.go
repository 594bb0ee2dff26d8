package edge

import (
	"fmt"
	"os"
)

// Replace writes a file of the repository that exists: whole, or not at all.
func (r Repository) Replace(name string, data []byte) error {
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	defer root.Close() //nolint:errcheck // nothing is written through the directory itself
	info, err := root.Stat(name)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	temporary := name + ".tmp"
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("writing %s: %w", temporary, withoutPath(err))
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary) // the first error says what is wrong
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	return nil
}

// Remove deletes a file of the repository.
func (r Repository) Remove(name string) error {
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return fmt.Errorf("deleting %s: %w", name, withoutPath(err))
	}
	defer root.Close() //nolint:errcheck // nothing is written through the directory itself
	if err := root.Remove(name); err != nil {
		return fmt.Errorf("deleting %s: %w", name, withoutPath(err))
	}
	return nil
}
