package checkout_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/internal/checkout"
)

// TestPipes: nothing waits for a pipe in place of a file of .git.
func TestPipes(t *testing.T) {
	for _, name := range []string{"HEAD", "index", "config", "refs/heads/main"} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			at := filepath.Join(dir, ".git", filepath.FromSlash(name))
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(at, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := checkout.Open(dir)
			if err != nil {
				return
			}
			defer c.Close()
			_, err = c.Branch()
			_, also := c.Changed(t.Context())
			if err == nil && also == nil {
				t.Error("it was read")
			}
		})
	}
}
