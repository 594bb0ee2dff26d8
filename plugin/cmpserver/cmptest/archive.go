package cmptest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Entry is an entry of an archive.
type Entry struct {
	Name, Data, Link string
	Kind             byte // a file, or by link and a trailing slash, unless set
}

// Pack makes an archive as repo-server sends it.
func Pack(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.Name, Mode: 0o644, Size: int64(len(e.Data)), Typeflag: e.Kind, Linkname: e.Link}
		switch {
		case e.Kind != 0:
		case e.Link != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(e.Name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// PackDir packs what the directories of the project hold.
func PackDir(t testing.TB, root string, dirs ...string) []byte {
	t.Helper()
	var entries []Entry
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path) //nolint:gosec // in the test's own directory
			name, _ := filepath.Rel(root, path)
			entries = append(entries, Entry{Name: filepath.ToSlash(name), Data: string(data)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return Pack(t, entries...)
}

// Chart packs a small chart with one template.
func Chart(t testing.TB, template string, more ...Entry) []byte {
	t.Helper()
	return Pack(t, append([]Entry{
		{Name: "Chart.yaml", Data: "apiVersion: v2\nname: shop\nversion: 1.0.0\n"},
		{Name: "templates/a.yaml", Data: template},
	}, more...)...)
}

// ConfigMap is a template of one object.
const ConfigMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  a: b\n"

// Env is what repo-server says about an Application with these parameters.
func Env(application, parameters string) map[string]string {
	return map[string]string{
		"ARGOCD_APP_NAME": application, "ARGOCD_APP_NAMESPACE": "shop", "ARGOCD_APP_SOURCE_PATH": ".",
		"ARGOCD_APP_PARAMETERS": parameters, "KUBE_VERSION": "1.37.0", "KUBE_API_VERSIONS": "v1,apps/v1",
	}
}

// CorePipeline is the request that production makes all day, of the project in
// the directory root.
func CorePipeline(t testing.TB, root string) Call {
	t.Helper()
	const prod = `[{"name":"environment","string":"prod"},{"name":"value-files","array":["/argocd/envs/prod/release.yaml"]},{"name":"overlay","string":"/argocd/envs/prod"}]`
	e := Env("core-pipeline", prod)
	e["ARGOCD_APP_SOURCE_PATH"] = "charts/core-pipeline"
	return Call{Archive: PackDir(t, root, "charts/core-pipeline", "argocd/envs"), Path: "charts/core-pipeline", Env: e}
}
