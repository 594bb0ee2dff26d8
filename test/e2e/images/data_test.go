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
	made, err := Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range made {
		for _, l := range i.Layers {
			if size, err := l.Size(); err != nil || size > 200<<20 {
				t.Errorf("a layer of %s has %d bytes, %v", i.Name, size, err)
			}
		}
	}
}
