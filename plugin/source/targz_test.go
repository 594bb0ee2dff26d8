package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// endless is an archive without end, packed: entries or one file.
type endless struct{ write func(*tar.Writer) error }

func (e endless) reader() io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		gz := gzip.NewWriter(w)
		tw := tar.NewWriter(gz)
		var err error
		for err == nil {
			err = e.write(tw)
		}
		w.CloseWithError(err)
	}()
	return r
}

// TestBombs reads archives without end: what is taken in is bounded by the
// limits, so the test ends.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 1<<20)
	i := 0
	for name, write := range map[string]func(*tar.Writer) error{
		"entries": func(w *tar.Writer) error {
			i++
			return w.WriteHeader(&tar.Header{Name: "d" + hex.EncodeToString([]byte{byte(i >> 16), byte(i >> 8), byte(i)}), Typeflag: tar.TypeReg})
		},
		"the same entry": func(w *tar.Writer) error {
			return w.WriteHeader(&tar.Header{Name: "same", Typeflag: tar.TypeReg})
		},
		"entries below .git": func(w *tar.Writer) error {
			return w.WriteHeader(&tar.Header{Name: ".git/x", Typeflag: tar.TypeReg})
		},
		"bytes": func(w *tar.Writer) error {
			i++
			if err := w.WriteHeader(&tar.Header{Name: "f" + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}), Typeflag: tar.TypeReg, Size: int64(len(zeros))}); err != nil {
				return err
			}
			_, err := w.Write(zeros)
			return err
		},
	} {
		r := endless{write}.reader()
		_, err := source.ReadTarGz(t.Context(), r, source.Archive{Limits: source.Limits{MaxFiles: 10_000, MaxTotalBytes: 32 << 20}})
		if !errors.Is(err, source.ErrLimit) {
			t.Errorf("%s: %v, want ErrLimit", name, err)
		}
		r.Close() //nolint:errcheck // ends the writer
	}
}

// TestMillionEntries is a whole archive of 10^6 files, the default limits.
func TestMillionEntries(t *testing.T) {
	i := 0
	r := endless{func(w *tar.Writer) error {
		if i++; i > 1_000_000 {
			return errors.Join(w.Close(), io.EOF)
		}
		return w.WriteHeader(&tar.Header{Name: "d/" + hex.EncodeToString([]byte{byte(i >> 16), byte(i >> 8), byte(i)}), Typeflag: tar.TypeReg})
	}}.reader()
	defer r.Close() //nolint:errcheck // ends the writer
	if _, err := source.ReadTarGz(t.Context(), r, source.Archive{}); !errors.Is(err, source.ErrLimit) || i > 200_000 {
		t.Errorf("after %d entries: %v, want ErrLimit", i, err)
	}
}

func TestBrokenArchives(t *testing.T) {
	good := archive(t, entry{name: "a", data: strings.Repeat("abc", 1000)})
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 0xff // the CRC at the end
	for name, data := range map[string][]byte{
		"empty": nil, "not gzip": []byte("hello"), "cut": good[:len(good)/2], "cut at the end": good[:len(good)-1], "CRC": flipped,
		"gzip of no tar": func() []byte {
			var out bytes.Buffer
			gz := gzip.NewWriter(&out)
			gz.Write([]byte(strings.Repeat("x", 2000))) //nolint:errcheck // a buffer takes it
			gz.Close()                                  //nolint:errcheck // a buffer takes it
			return out.Bytes()
		}(),
	} {
		_, err := source.ReadTarGz(t.Context(), bytes.NewReader(data), source.Archive{})
		if err == nil || !strings.HasPrefix(err.Error(), "reading the archive: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChecksum(t *testing.T) {
	data := archive(t, entry{name: "a", data: "x"})
	sum := sha256.Sum256(data)
	if _, err := source.ReadTarGz(t.Context(), bytes.NewReader(data), source.Archive{Checksum: hex.EncodeToString(sum[:])}); err != nil {
		t.Error(err)
	}
	sum[0]++
	if _, err := source.ReadTarGz(t.Context(), bytes.NewReader(data), source.Archive{Checksum: hex.EncodeToString(sum[:])}); !errors.Is(err, source.ErrChecksum) {
		t.Errorf("got %v, want ErrChecksum", err)
	}
}

func TestArchiveCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.ReadTarGz(ctx, bytes.NewReader(archive(t)), source.Archive{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func FuzzReadTarGz(f *testing.F) {
	f.Add(archive(f, entry{name: "a/b", data: "x"}, entry{name: "l", link: "a/b"}, entry{name: "d/"}))
	f.Add(archive(f, entry{name: "../x", data: "x"}))
	f.Add(archive(f, entry{name: "a", link: "/etc", kind: tar.TypeLink}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := source.ReadTarGz(t.Context(), bytes.NewReader(data), source.Archive{Limits: source.Limits{MaxFiles: 100, MaxTotalBytes: 1 << 20}})
		if err != nil {
			return
		}
		// Whatever is listed can be looked at, and has a valid name.
		links := 0
		err = fs.WalkDir(m, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || !fs.ValidPath(name) {
				t.Errorf("%s: %v", name, err)
			}
			if d.Type()&fs.ModeSymlink != 0 {
				links++
			} else if _, err := m.Stat(name); err != nil {
				t.Error(err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
