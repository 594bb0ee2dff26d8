//go:build unix

package source_test

import (
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// TestIrregularFilesOnDisk reads what would block or talk to somebody.
func TestIrregularFilesOnDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() //nolint:errcheck // nothing was sent
	tree, err := source.OpenDir(dir, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close() //nolint:errcheck // opened for reading only
	for _, name := range []string{"pipe", "socket"} {
		if _, err := tree.ReadFile(name); !errors.Is(err, source.ErrIrregular) {
			t.Errorf("%s: %v, want ErrIrregular", name, err)
		}
		if _, err := tree.Open(name); !errors.Is(err, source.ErrIrregular) {
			t.Errorf("%s: Open: %v, want ErrIrregular", name, err)
		}
	}
}
