package images

import (
	"os"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// TestNames holds the names of Argo CD's images to its install manifests of the version of this module: an image under
// another name would never be asked for.
func TestNames(t *testing.T) {
	dir, err := programs.Run(t.Context(), ".", os.Environ(), "go", "list", "-m", "-f", "{{.Dir}}", programs.ArgoCDModule)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(trim(dir) + "/manifests/install.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{argocdName, redisName} {
		if !strings.Contains(string(data), "image: "+name+"\n") {
			t.Errorf("no manifest names %s", name)
		}
	}
}
