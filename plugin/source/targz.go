package source

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// ErrChecksum is returned when the stream's SHA-256 is not the announced one.
var ErrChecksum = errors.New("checksum of the archive does not match")

// ReadTarGz reads a whole gzip-compressed tar into memory.
//
// checksum is the lower-case hexadecimal SHA-256 of the compressed bytes, as
// Argo CD sends it; empty means unchecked. r is always read to its end or to
// the first error, and ctx is asked between reads.
//
// Directories, regular files and symbolic links are taken. Refused, with the
// entry's name: absolute names and names with "..", links that leave the
// archive, hard links, devices, and whatever exceeds limits. Entries below
// .git are skipped and do not count as bytes.
func ReadTarGz(ctx context.Context, r io.Reader, checksum string, limits Limits) (*Memory, error) {
	limits = limits.withDefaults()
	sum := sha256.New()
	in := &contextReader{ctx: ctx, r: io.TeeReader(r, sum)}
	m, err := readTarGz(in, limits)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	// What follows the tar's end marker still belongs to the checksum.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	if checksum != "" && hex.EncodeToString(sum.Sum(nil)) != strings.ToLower(checksum) {
		return nil, ErrChecksum
	}
	return m, nil
}

func readTarGz(in io.Reader, limits Limits) (*Memory, error) {
	gz, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(gz)
	m := newMemory()
	var total int64
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if entries >= limits.MaxFiles {
			return nil, tooMany(limits.MaxFiles)
		}
		name, err := entryName(header.Name, limits)
		if err != nil {
			return nil, err
		}
		if name == "." || inGit(name) {
			continue
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = m.addDir(name)
		case tar.TypeReg:
			if header.Size > limits.MaxFileBytes {
				return nil, tooLarge(name, limits.MaxFileBytes)
			}
			if total += header.Size; total > limits.MaxTotalBytes {
				return nil, tooMuch(limits.MaxTotalBytes)
			}
			data := make([]byte, header.Size)
			if _, err := io.ReadFull(archive, data); err != nil {
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
