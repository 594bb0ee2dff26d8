package edge_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReplaceFull: a disk that takes a part only leaves the old file.
func TestReplaceFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	for options, want := range map[string]string{"size=8k": "no space left on device", "ro": "read-only file system"} {
		r, dir := repository(t, nil)
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
			t.Skipf("mounting: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) }) //nolint:errcheck // gone with the machine otherwise
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if options == "ro" {
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Skipf("mounting: %v", err)
			}
		}
		err := r.Replace("f", []byte("old"), make([]byte, 64<<10))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", options, err)
		}
		unchanged(t, dir, "f", "old")
	}
}
