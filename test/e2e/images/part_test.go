package images

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/app"
)

// TestPart runs the programs that the part of Debian is for, in a place with nothing else than it and them.
func TestPart(t *testing.T) {
	root := extracted(t, debianPart)
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

// TestPostgresPart starts PostgreSQL as its image does, with nothing else than its part of Debian, up to where it would
// listen.
func TestPostgresPart(t *testing.T) {
	root := extracted(t, postgresPart)
	for _, dir := range []string{"data", "dev"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.Chmod(root, 0o755), os.Chown(filepath.Join(root, "data"), 999, 999),
		os.WriteFile(filepath.Join(root, "dev", "null"), nil, 0o666), os.Chmod(filepath.Join(root, "dev", "null"), 0o666),
		os.WriteFile(filepath.Join(root, "etc", "passwd"), []byte("postgres:x:999:999::/data:/bin/sh\n"), 0o644),
		os.WriteFile(filepath.Join(root, "start"), []byte(StartPostgres), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	// An address that is none ends it after its cluster, its database and the accounts were made.
	start := exec.CommandContext(t.Context(), "chroot", "--userspec=999:999", root, "/start")
	start.Env = []string{debianPath + ":" + PostgresBin, "PGDATA=/data/main", "PGHOST=256.0.0.1", "PGPORT=5432", "POSTGRES_DB=a", "POSTGRES_USERS=b c", "POSTGRES_PASSWORD=d"}
	out, err := start.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "could not create any TCP/IP sockets") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "data", "main", "PG_VERSION")); err != nil {
		t.Error(err)
	}
}

// extracted is a directory with a part of Debian, which only root can make.
func extracted(t *testing.T, p part) string {
	t.Helper()
	if _, err := exec.LookPath("debootstrap"); err != nil {
		skip(t, "debootstrap is not installed")
	}
	if os.Geteuid() != 0 {
		skip(t, "the test is not root")
	}
	layer, err := p.layer(t.Context())
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
	return root
}
