package images

import (
	"os"
	"os/exec"
	"testing"
)

func required() bool { return os.Getenv("E2E_REQUIRED") != "" }

func TestData(t *testing.T) {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		skip(t, "debootstrap is not installed")
	}
	file, err := Data(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 200<<20 {
		t.Errorf("%s: %v, %v", file, info.Size(), err)
	}
}
