package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// File is an entry of a layer. At most one of Source, Content and Link is set; with none it is a directory. The
// directories above it are made, with mode 0755.
type File struct {
	Path    string // absolute, in the image
	Source  string // a regular file of this machine
	Content string
	Link    string      // target of a symbolic link
	Mode    fs.FileMode // permissions and the sticky bit. 0: those of Source, else 0644, and 0755 of a directory
	UID     int         // the zero value is root
	GID     int
}

// Files is a layer of single files. It is held in memory.
func Files(files ...File) (v1.Layer, error) {
	all, err := withDirectories(files)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	made, err := compress(&out, all.write)
	if err != nil {
		return nil, err
	}
	made.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }
	return made, nil
}

// FilesTo is Files with a layer that is written to target, which the layer reads from as long as it is used.
func FilesTo(target string, files ...File) (v1.Layer, error) {
	all, err := withDirectories(files)
	if err != nil {
		return nil, err
	}
	return writeTo(target, all.write)
}

// contents are the entries of a layer, by path.
type contents map[string]File

// withDirectories adds the directories above files.
func withDirectories(files []File) (contents, error) {
	all := contents{}
	for _, f := range files {
		if f.Path != path.Clean(f.Path) || !path.IsAbs(f.Path) || f.Path == "/" {
			return nil, fmt.Errorf("path %q in an image: give it from the root and without detours", f.Path)
		}
		if _, twice := all[f.Path]; twice && !f.isDir() {
			return nil, fmt.Errorf("path %s in an image is given twice", f.Path)
		}
		all[f.Path] = f
	}
	for _, f := range files {
		for at := path.Dir(f.Path); at != "/"; at = path.Dir(at) {
			if above, given := all[at]; !given {
				all[at] = File{Path: at}
			} else if !above.isDir() {
				return nil, fmt.Errorf("path %s in an image is below the file %s", f.Path, at)
			}
		}
	}
	return all, nil
}

func (c contents) write(t *tar.Writer) error {
	for _, at := range slices.Sorted(maps.Keys(c)) {
		if err := c[at].write(t); err != nil {
			return err
		}
	}
	return nil
}

func (f File) isDir() bool { return f.Source == "" && f.Content == "" && f.Link == "" }

func (f File) write(t *tar.Writer) error {
	h := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Uid: f.UID, Gid: f.GID, ModTime: created, Format: tar.FormatPAX}
	mode := f.Mode
	var content io.Reader
	switch {
	case f.Source != "":
		source, err := os.Open(f.Source)
		if err != nil {
			return err
		}
		defer source.Close() //nolint:errcheck // opened for reading only
		info, err := source.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("source of %s in an image is not a regular file", f.Path)
		}
		if mode == 0 {
			mode = info.Mode()
		}
		h.Typeflag, h.Size, content = tar.TypeReg, info.Size(), source
	case f.Link != "":
		h.Typeflag, h.Linkname, mode = tar.TypeSymlink, f.Link, 0o777
	case f.Content != "":
		h.Typeflag, h.Size, content = tar.TypeReg, int64(len(f.Content)), strings.NewReader(f.Content)
		if mode == 0 {
			mode = 0o644
		}
	default:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		if mode == 0 {
			mode = 0o755
		}
	}
	h.Mode = tarMode(mode)
	if err := t.WriteHeader(h); err != nil || content == nil {
		return err
	}
	_, err := io.Copy(t, content)
	return err
}

// Tree is a layer of all that is below a directory, with owners and modes as they are there. It is written to target,
// which the layer reads from as long as it is used. Sockets and devices are left out: a container has its own.
func Tree(dir, target string) (v1.Layer, error) {
	return writeTo(target, func(t *tar.Writer) error { return writeTree(t, dir) })
}

func writeTo(target string, write func(*tar.Writer) error) (v1.Layer, error) {
	// Those of what was there before.
	if err := os.Remove(target + sums); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var made layer
	err := writeWhole(target, func(w io.Writer) (err error) {
		made, err = compress(w, write)
		return err
	})
	if err != nil {
		return nil, err
	}
	made.from(target)
	return made, made.writeSums()
}

// sums is what the name of a layer's file ends with that has its size and its digests. They need not be found again by
// unpacking all of it.
const sums = ".sums"

// FromFile is the layer that Tree or FilesTo wrote to a file.
func FromFile(target string) (v1.Layer, error) {
	var l layer
	l.from(target)
	if l.readSums() {
		return l, nil
	}
	f, err := l.open()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	if l.digest, l.size, err = v1.SHA256(f); err != nil {
		return nil, err
	}
	unpacked, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer unpacked.Close() //nolint:errcheck // opened for reading only
	if l.diffID, _, err = v1.SHA256(unpacked); err != nil {
		return nil, err
	}
	return l, l.writeSums()
}

// Blob is the file that has a layer as it is in a registry, or empty if there is none.
func Blob(l v1.Layer) string {
	if l, ours := l.(layer); ours {
		return l.file
	}
	return ""
}

// layer is a v1.Layer that knows its digests from when it was made. That of the library would find them by reading and
// unpacking all of it once more.
type layer struct {
	digest, diffID v1.Hash
	size           int64
	open           func() (io.ReadCloser, error)
	file           string // that open opens, if it does
}

func (l *layer) from(file string) {
	l.file, l.open = file, func() (io.ReadCloser, error) { return os.Open(file) }
}

// readSums says whether there are the sums of a file of this size.
func (l *layer) readSums() bool {
	data, err := os.ReadFile(l.file + sums)
	if err != nil {
		return false
	}
	var packed, unpacked string
	if _, err := fmt.Sscan(string(data), &l.size, &packed, &unpacked); err != nil {
		return false
	}
	info, errFile := os.Stat(l.file)
	var errPacked, errUnpacked error
	l.digest, errPacked = v1.NewHash(packed)
	l.diffID, errUnpacked = v1.NewHash(unpacked)
	return errors.Join(errFile, errPacked, errUnpacked) == nil && info.Size() == l.size
}

func (l layer) writeSums() error {
	return writeWhole(l.file+sums, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, l.size, l.digest, l.diffID)
		return err
	})
}

func (l layer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l layer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l layer) Size() (int64, error)                { return l.size, nil }
func (l layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (l layer) Compressed() (io.ReadCloser, error)  { return l.open() }
func (l layer) Uncompressed() (io.ReadCloser, error) {
	packed, err := l.open()
	if err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{unpacked, packed}, nil
}

// compress writes a layer; the result cannot be opened yet.
func compress(w io.Writer, write func(*tar.Writer) error) (layer, error) {
	packed, unpacked := sum{hash: sha256.New()}, sum{hash: sha256.New()}
	z, err := gzip.NewWriterLevel(io.MultiWriter(w, &packed), gzip.BestSpeed)
	if err != nil {
		return layer{}, err
	}
	t := tar.NewWriter(io.MultiWriter(z, &unpacked))
	if err := errors.Join(write(t), t.Close(), z.Close()); err != nil {
		return layer{}, err
	}
	return layer{digest: packed.digest(), diffID: unpacked.digest(), size: packed.size}, nil
}

// sum counts and hashes what is written to it.
type sum struct {
	hash hash.Hash
	size int64
}

func (s *sum) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return s.hash.Write(p)
}

func (s *sum) digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(s.hash.Sum(nil))}
}

// writeTree writes what is below dir, in the order of the names.
func writeTree(t *tar.Writer, dir string) error {
	type inode struct{ device, number uint64 }
	first := map[inode]string{} // files with several names: the first that was written
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		within, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(within), Mode: tarMode(info.Mode()), ModTime: created, Format: tar.FormatPAX}
		system, ok := info.Sys().(*syscall.Stat_t)
		if ok {
			h.Uid, h.Gid = int(system.Uid), int(system.Gid)
		}
		switch mode := info.Mode(); {
		case mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		case mode&fs.ModeSymlink != 0:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = os.Readlink(file); err != nil {
				return err
			}
		case !mode.IsRegular():
			return nil
		default:
			if ok && system.Nlink > 1 {
				id := inode{uint64(system.Dev), system.Ino} //nolint:unconvert // the type differs between systems
				if before, written := first[id]; written {
					h.Typeflag, h.Linkname = tar.TypeLink, before
					return t.WriteHeader(h)
				}
				first[id] = h.Name
			}
			h.Typeflag, h.Size = tar.TypeReg, info.Size()
		}
		if err := t.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		return copyFile(t, file)
	})
}

func copyFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	_, err = io.Copy(w, f)
	return err
}

func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}
