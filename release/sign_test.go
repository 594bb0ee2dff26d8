package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestSign signs and verifies with cosign as the workflow does, but with a key
// that lives as long as the test: keyless signing needs Sigstore's servers.
func TestSign(t *testing.T) {
	cosign := os.Getenv("COSIGN")
	if cosign == "" {
		t.Skip("COSIGN names the program; see make release-sign")
	}
	dir := clone(t)
	build(t, dir, "core-pipeline-cmp")
	layout := filepath.Join(dir, "dist/image")
	if err := writeImage(layout, testImage(dir), io.Discard); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	var out bytes.Buffer
	if err := push(t.Context(), layout, strings.TrimPrefix(server.URL, "http://")+"/owner/core-pipeline-cmp:v"+version, &out); err != nil {
		t.Fatal(err)
	}
	image := strings.TrimSpace(out.String())
	work := t.TempDir()
	t.Setenv("COSIGN_PASSWORD", "")
	t.Setenv("HOME", t.TempDir())
	for _, prefix := range []string{"cosign", "other"} {
		command(t, work, cosign, "generate-key-pair", "--output-key-prefix", prefix)
	}
	fails := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), cosign, args...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("cosign %s passes:\n%s", strings.Join(args, " "), out)
		}
	}
	offline := []string{"--yes", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false"}
	verify := []string{"--insecure-ignore-tlog=true", "--key"}

	command(t, work, cosign, append(append([]string{"sign", "--recursive"}, offline...), image)...)
	command(t, work, cosign, append(append([]string{"verify"}, verify...), "cosign.pub", image)...)
	fails(append(append([]string{"verify"}, verify...), "other.pub", image)...)

	sums := filepath.Join(work, "checksums.txt")
	write := func(text string) {
		if err := os.WriteFile(sums, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	command(t, work, cosign, append(append([]string{"sign-blob", "--bundle", "bundle"}, offline...), sums)...)
	command(t, work, cosign, append(append([]string{"verify-blob", "--bundle", "bundle"}, verify...), "cosign.pub", sums)...)
	write("two")
	fails(append(append([]string{"verify-blob", "--bundle", "bundle"}, verify...), "cosign.pub", sums)...)
}
