package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// entry is one of an archive that Argo CD's client would not write.
type entry struct {
	header  tar.Header
	content string
}

func regular(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}

func special(kind byte, name, target string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o644}, ""}
}

// smallChart is a chart in the directory app, and then more.
func smallChart(more ...entry) []entry {
	return append([]entry{
		special(tar.TypeDir, "app", ""),
		regular("app/Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\n"),
		regular("app/values.yaml", "a: \"1\"\n"),
		regular("app/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: small\ndata:\n  a: {{ .Values.a | quote }}\n"),
	}, more...)
}

func pack(t *testing.T, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, e := range entries {
		h := e.header
		h.Size = int64(len(e.content))
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// zipped is a gzip stream with something in it that is no tar.
func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	_, err := gz.Write([]byte(text))
	if err := errors.Join(err, gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// writeSmallChart is smallChart on disk.
func writeSmallChart(t *testing.T) string {
	t.Helper()
	repo := t.TempDir()
	for _, e := range smallChart() {
		if e.header.Typeflag == tar.TypeReg {
			writeFile(t, filepath.Join(repo, filepath.FromSlash(e.header.Name)), e.content)
		}
	}
	return repo
}

func symlink(t *testing.T, target, at string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(target, at)); err != nil {
		t.Fatal(err)
	}
}
