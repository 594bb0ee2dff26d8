package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
)

// ErrChanged is an edit of a file that somebody else has changed meanwhile.
var ErrChanged = errors.New("was changed while it was edited; nothing was written, run the command again")

// Replace writes a file of the repository that exists: whole and on disk, or
// not at all. old is what the edit was made from: where the file has become
// another, it stays and the error is ErrChanged. The mode is kept. A link, and
// what is no file, is refused. Two runs exclude each other by the file that is
// renamed at the end, NAME.tmp.
func (r Repository) Replace(name string, old, data []byte) error {
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	defer root.Close() //nolint:errcheck // nothing is written through the directory itself
	info, err := root.Lstat(name)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("writing %s: is a link or no regular file; replace it with a file, or edit what it stands for", name)
	}
	temporary := name + ".tmp"
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %s: %s is there: another run is writing, or was ended while it did; then delete it", name, temporary)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	err = fill(f, data, info.Mode().Perm())
	if err == nil {
		var now []byte
		if now, err = root.ReadFile(name); err == nil && string(now) != string(old) {
			err = ErrChanged
		}
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary) // the first error says what is wrong
		return fmt.Errorf("writing %s: %w", name, withoutPath(err))
	}
	return settle(root, path.Dir(name))
}

// fill writes, with the mode as it is asked for whatever the umask, and waits
// for the disk.
func fill(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	if err == nil && runtime.GOOS != "windows" {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// settle waits until the disk has the rename.
func settle(root *os.Root, dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be flushed there
	}
	d, err := root.Open(dir)
	if err != nil {
		return fmt.Errorf("writing %s: %w", dir, withoutPath(err))
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", dir, withoutPath(err))
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
