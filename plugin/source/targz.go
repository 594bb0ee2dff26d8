package source

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// ErrChecksum is returned when the stream's SHA-256 is not the announced one.
var ErrChecksum = errors.New("checksum of the archive does not match")

// Archive says how an archive is read. The zero value reads any archive within
// the default limits.
type Archive struct {
	Limits Limits
	// Checksum is the lower-case hexadecimal SHA-256 of the compressed bytes,
	// as Argo CD sends it; empty means unchecked.
	Checksum string
	// Reserve, if not nil, is asked before memory is taken for an entry, with
	// the number of bytes. It may wait. Its error ends the reading.
	Reserve func(size int64) error
	// Like are trees that may have the same files, such as those of other
	// commits of a repository. A file of the same name and content lies in
	// memory once.
	Like []*Memory
}

// ReadTarGz reads a whole gzip-compressed tar into memory. r is always read to
// its end or to the first error, and ctx is asked between reads.
//
// Directories, regular files and symbolic links are taken. Refused, with the
// entry's name: absolute names and names with "..", links that leave the
// archive, hard links, devices, and whatever exceeds limits. Entries below
// .git are skipped and count as bytes only beyond 16 times MaxTotalBytes:
// there, an archive is made to waste time.
func ReadTarGz(ctx context.Context, r io.Reader, how Archive) (*Memory, error) {
	how.Limits = how.Limits.withDefaults()
	sum := sha256.New()
	in := &contextReader{ctx: ctx, r: io.TeeReader(r, sum)}
	m, err := readTarGz(in, how)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	// What follows the tar's end marker still belongs to the checksum.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	if how.Checksum != "" && hex.EncodeToString(sum.Sum(nil)) != strings.ToLower(how.Checksum) {
		return nil, ErrChecksum
	}
	return m, nil
}

// skippedPerKept is how much more of an archive may be skipped than kept.
const skippedPerKept = 16

// entryBytes is about what a Tree needs for an entry besides its content.
const entryBytes = 256

func readTarGz(in io.Reader, how Archive) (*Memory, error) {
	limits := how.Limits
	gz, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(gz)
	files := fileReader{like: slices.Clone(how.Like)}
	m := newMemory()
	skipped := int64(0)
	for ; ; m.entries++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if m.entries >= limits.MaxFiles {
			return nil, tooMany(limits.MaxFiles)
		}
		name, err := entryName(header.Name, limits)
		if err != nil {
			return nil, err
		}
		if name == "." || inGit(name) {
			if skipped += max(header.Size, 0); skipped > skippedPerKept*limits.MaxTotalBytes {
				return nil, fmt.Errorf("%s: %w", name, tooMuch(limits.MaxTotalBytes))
			}
			continue
		}
		if header.Typeflag == tar.TypeReg {
			if header.Size > limits.MaxFileBytes {
				return nil, tooLarge(name, limits.MaxFileBytes)
			}
			if m.size += header.Size; m.size > limits.MaxTotalBytes {
				return nil, tooMuch(limits.MaxTotalBytes)
			}
		}
		if how.Reserve != nil {
			if err := how.Reserve(max(header.Size, 0) + entryBytes); err != nil {
				return nil, err
			}
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = m.addDir(name)
		case tar.TypeReg:
			var data []byte
			if data, err = files.read(archive, name, header.Size); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			err = m.addFile(name, data, header.FileInfo().Mode().Perm())
		case tar.TypeSymlink:
			err = m.addLink(name, header.Linkname)
		case tar.TypeXGlobalHeader:
			// git archive writes one; it describes the archive, not a file.
		default:
			err = newPathError("extract", name, ErrIrregular)
		}
		if err != nil {
			return nil, err
		}
	}
	// Reading to the end makes gzip check its own length and CRC.
	if _, err := io.Copy(io.Discard, io.LimitReader(gz, limits.MaxTotalBytes)); err != nil {
		return nil, err
	}
	return m, nil
}

// fileReader reads files into memory, unless they are there already.
type fileReader struct {
	like    []*Memory
	scratch []byte
}

// mostScratch bounds the files that are read into the same memory each time.
const mostScratch = 1 << 20

func (f *fileReader) read(r io.Reader, name string, size int64) ([]byte, error) {
	mayBeKnown := slices.ContainsFunc(f.like, func(m *Memory) bool {
		n := m.nodes[name]
		return n != nil && int64(len(n.data)) == size
	})
	if !mayBeKnown || size > mostScratch {
		data := make([]byte, size)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, err
		}
		if known := f.find(name, data); known != nil {
			data = known
		}
		return data, nil
	}
	f.scratch = slices.Grow(f.scratch[:0], int(size))[:size]
	if _, err := io.ReadFull(r, f.scratch); err != nil {
		return nil, err
	}
	if known := f.find(name, f.scratch); known != nil {
		return known, nil
	}
	return bytes.Clone(f.scratch), nil
}

// find returns the content that another tree has, nil for none.
func (f *fileReader) find(name string, data []byte) []byte {
	for i, m := range f.like {
		if n := m.nodes[name]; n != nil && bytes.Equal(n.data, data) {
			// Most likely it has the next file, too.
			f.like[0], f.like[i] = m, f.like[0]
			return n.data
		}
	}
	return nil
}

// entryName cleans a name from the archive and refuses the unsafe ones.
func entryName(raw string, limits Limits) (string, error) {
	if strings.ContainsRune(raw, 0) || strings.HasPrefix(raw, "/") || strings.Contains(raw, `\`) {
		return "", newPathError("extract", raw, ErrOutside)
	}
	if len(raw) > 4096 || depth(raw) > limits.MaxDepth+1 {
		return "", tooDeep(raw, limits.MaxDepth)
	}
	name := path.Clean(raw)
	if !fs.ValidPath(name) {
		return "", newPathError("extract", raw, ErrOutside)
	}
	return name, nil
}

// contextReader ends a read loop when its context ends.
type contextReader struct {
	ctx context.Context //nolint:containedctx // the reader lives for one call
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
