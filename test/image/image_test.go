package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const (
	binary = "/usr/local/bin/core-pipeline-cmp"
	config = "/home/argocd/cmp-server/config/plugin.yaml"
)

// TestImage builds the image once and holds it to what the pod needs.
func TestImage(t *testing.T) {
	image := build(t)
	layer := image.tar(t)
	t.Run("content", func(t *testing.T) { checkContent(t, layer) })
	t.Run("configuration", func(t *testing.T) { checkConfiguration(t, image) })
	t.Run("binary", func(t *testing.T) { checkBinary(t, image.files[binary].from) })
	t.Run("guide", func(t *testing.T) { checkGuide(t, image) })
	t.Run("serve", func(t *testing.T) { checkServe(t, image, layer) })
	t.Run("run", func(t *testing.T) { checkRun(t, image, layer) })
}

// tar is the layer of the final stage.
func (b built) tar(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		f := b.files[name]
		header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: int64(f.mode.Perm()), Typeflag: tar.TypeReg}
		if f.mode&os.ModeSticky != 0 {
			header.Mode |= 0o1000
		}
		var data []byte
		if f.mode.IsDir() {
			header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		} else {
			var err error
			if data, err = os.ReadFile(f.from); err != nil {
				t.Fatal(err)
			}
		}
		header.Size = int64(len(data))
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// checkContent holds that the image has these files and no others, all of
// them owned by root.
func checkContent(t *testing.T, layer []byte) {
	var got []string
	r := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%04o %d:%d %s", h.Mode, h.Uid, h.Gid, h.Name))
	}
	want := []string{
		"0755 0:0 home/", "0755 0:0 home/argocd/", "0755 0:0 home/argocd/cmp-server/", "0755 0:0 home/argocd/cmp-server/config/",
		"0644 0:0 home/argocd/cmp-server/config/plugin.yaml", "1777 0:0 tmp/",
		"0755 0:0 usr/", "0755 0:0 usr/local/", "0755 0:0 usr/local/bin/", "0755 0:0 usr/local/bin/core-pipeline-cmp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func checkConfiguration(t *testing.T, image built) {
	if image.user != "999" {
		t.Errorf("USER %s, want 999, that of repo-server", image.user)
	}
	if diff := cmp.Diff([]string{binary}, image.entry); diff != "" {
		t.Error(diff)
	}
	for _, label := range []string{"title", "description", "source", "version", "revision"} {
		if image.labels["org.opencontainers.image."+label] == "" {
			t.Errorf("the label %s is missing", label)
		}
	}
	// argocd-cmp-server finds the commands of plugin.yaml by PATH.
	data, err := os.ReadFile(image.files[config].from)
	if err != nil {
		t.Fatal(err)
	}
	var plugin struct {
		Spec struct {
			Generate   struct{ Command []string }
			Parameters struct{ Dynamic struct{ Command []string } }
		}
	}
	if err := yaml.Unmarshal(data, &plugin); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{plugin.Spec.Generate.Command, plugin.Spec.Parameters.Dynamic.Command} {
		if len(command) == 0 || image.files[image.env["PATH"]+"/"+command[0]].mode.Perm() != 0o755 {
			t.Errorf("PATH=%s has no %v", image.env["PATH"], command)
		}
	}
}

func checkBinary(t *testing.T, file string) {
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic linker")
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, builder := range []string{os.TempDir() + "/TestImage", filepath.Join(home, "go", "pkg", "mod")} {
		if bytes.Contains(data, []byte(builder)) {
			t.Errorf("the binary has paths of its builder: %s", builder)
		}
	}
}

// checkRun starts the entry point in the image's own file system, as its own
// user if the test may change to one.
func checkRun(t *testing.T, image built, layer []byte) {
	if os.Geteuid() != 0 {
		t.Skip("only root can enter another file system")
	}
	root := t.TempDir()
	unpack(t, root, layer)
	repository := filepath.Join(root, "tmp", "_cmp_server", "1")
	for name, text := range map[string]string{
		"Chart.yaml":       "apiVersion: v2\nname: a\nversion: 1.0.0\n",
		"templates/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n",
	} {
		at := filepath.Join(repository, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := list(t, root)
	for verb, want := range map[string]string{"version": "core-pipeline-cmp dev\n", "generate": "name: shop", "parameters": `"name":"environment"`} {
		cmd := exec.CommandContext(t.Context(), image.entry[0], verb)
		cmd.Dir = "/tmp/_cmp_server/1"
		cmd.Env = []string{"PATH=" + image.env["PATH"], "ARGOCD_APP_NAME=shop", "ARGOCD_APP_NAMESPACE=team"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 999, Gid: 999}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", verb, err, out)
		}
	}
	if diff := cmp.Diff(before, list(t, root)); diff != "" {
		t.Errorf("running it has changed the file system:\n%s", diff)
	}
}

func unpack(t *testing.T, root string, layer []byte) {
	t.Helper()
	// The test's directory may be closed to the user of the image.
	for at := root; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(at, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(at, data, 0o600)
			}
		}
		if err == nil {
			err = os.Chmod(at, h.FileInfo().Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(at string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		out = append(out, fmt.Sprintf("%s %s %d", info.Mode(), at, info.Size()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestContext holds that the build context has what is built, and nothing
// that would make every change of a test a new image.
func TestContext(t *testing.T) {
	for name, want := range map[string]bool{
		"go.mod": false, "go.sum": false, "cmd/core-pipeline-cmp/main.go": false, "plugin/plugin.yaml": false,
		"plugin/plugin_test.go": true, "plugin/testdata/golden/prod.yaml": true, ".git/config": true, "charts/core-pipeline/values.yaml": true,
		"test/e2e/go.mod": true, "README.md": true,
	} {
		if got := ignored(t, name); got != want {
			t.Errorf("%s: ignored %t, want %t", name, got, want)
		}
	}
}
