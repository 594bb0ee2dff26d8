package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestChart packages, signs, pushes, pulls and verifies the chart with both
// helm programs, over a registry on loopback.
func TestChart(t *testing.T) {
	ring := keyring(t)
	for _, variable := range []string{"HELM3", "HELM4"} {
		t.Run(variable, func(t *testing.T) {
			helm := program(t, variable)
			server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
			defer server.Close()
			repo := "oci://" + strings.TrimPrefix(server.URL, "http://") + "/owner/charts"
			t.Setenv("HOME", t.TempDir())
			dir, pulled := t.TempDir(), t.TempDir()
			pass := filepath.Join(dir, "passphrase")
			if err := os.WriteFile(pass, []byte("\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			command(t, "..", helm, "package", "charts/core-pipeline", "--destination", dir, "--sign", "--key", "Throw Away", "--keyring", filepath.Join(ring, "secring.gpg"), "--passphrase-file", pass)
			files, err := filepath.Glob(filepath.Join(dir, "core-pipeline-*.tgz"))
			if err != nil || len(files) != 1 {
				t.Fatalf("%v %v", files, err)
			}
			version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[0]), "core-pipeline-"), ".tgz")

			out, err := exec.CommandContext(t.Context(), helm, "push", files[0], repo, "--plain-http").CombinedOutput()
			// The workflow takes the digest from this line.
			if digest := regexp.MustCompile(`(?m)^Digest: (sha256:[0-9a-f]{64})$`).FindSubmatch(out); err != nil || digest == nil {
				t.Fatalf("push: %v\n%s", err, out)
			}
			command(t, dir, helm, "pull", repo+"/core-pipeline", "--version", version, "--plain-http", "--destination", pulled, "--prov")
			if before, after := digests(t, dir)["/"+filepath.Base(files[0])], digests(t, pulled)["/"+filepath.Base(files[0])]; before != after {
				t.Errorf("pushed %s, pulled %s", before, after)
			}
			archive := filepath.Join(pulled, filepath.Base(files[0]))
			command(t, dir, helm, "verify", archive, "--keyring", filepath.Join(ring, "pubring.gpg"))
			command(t, dir, helm, "show", "chart", repo+"/core-pipeline", "--version", version, "--plain-http")
			if err := exec.CommandContext(t.Context(), helm, "show", "chart", repo+"/core-pipeline", "--version", "99.0.0", "--plain-http").Run(); err == nil {
				t.Error("a version that was never pushed is there")
			}

			// One more byte, and the signature does not hold.
			data, err := os.ReadFile(archive)
			if err == nil {
				err = os.WriteFile(archive, append(data, 0), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := exec.CommandContext(t.Context(), helm, "verify", archive, "--keyring", filepath.Join(ring, "pubring.gpg")).Run(); err == nil {
				t.Error("a changed package verifies")
			}
		})
	}
}

// keyring makes a key that lives as long as the test.
func keyring(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("RELEASE_REQUIRED") != "" {
			t.Fatal("gpg is missing")
		}
		t.Skip("gpg makes the key")
	}
	// Short: the agent's socket lies there.
	dir, err := os.MkdirTemp("", "gpg") //nolint:usetesting // the name of a test would make the path too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run() // of this directory only
		_ = os.RemoveAll(dir)
	})
	gpg := func(args ...string) {
		command(t, dir, "gpg", append([]string{"--homedir", dir, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	gpg("--quick-generate-key", "Throw Away <throw.away@example.com>", "rsa2048", "sign", "1d")
	gpg("--output", filepath.Join(dir, "secring.gpg"), "--export-secret-keys")
	gpg("--output", filepath.Join(dir, "pubring.gpg"), "--export")
	return dir
}
