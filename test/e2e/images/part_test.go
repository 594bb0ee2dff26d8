package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/app"
)

// TestPart runs the programs that the part of Debian is for, in a place with nothing else than it and them.
func TestPart(t *testing.T) {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		skip(t, "debootstrap is not installed")
	}
	if os.Geteuid() != 0 {
		skip(t, "the test is not root")
	}
	layer, err := debianPart.layer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close() //nolint:errcheck // read to its end
	root := t.TempDir()
	extract := exec.CommandContext(t.Context(), "tar", "-xC", root)
	extract.Stdin = content
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	built, err := app.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// Not a link: the cache may be on another disk.
	node, err := os.ReadFile(built.Node)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "node"), node, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"/usr/bin/redis-server", "--version"}, {"/node", "--version"}} {
		out, err := exec.CommandContext(t.Context(), "chroot", append([]string{root}, command...)...).CombinedOutput()
		if err != nil || len(out) == 0 {
			t.Errorf("%s: %v: %s", command[0], err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "usr", "bin", "git")); err == nil {
		t.Error("it has what only Argo CD needs")
	}
	if info, err := os.Stat(filepath.Join(root, "etc", "ssl", "certs", "ca-certificates.crt")); err != nil || info.Size() == 0 {
		t.Errorf("the certificates: %v", err)
	}
}
