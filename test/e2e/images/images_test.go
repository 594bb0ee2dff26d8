package images

import (
	"testing"
)

func TestZ(t *testing.T) {
	f, err := ArgoCD(t.Context())
	t.Log(f, err)
	f, err = Cluster(t.Context(), t.TempDir())
	t.Log(f, err)
	f, err = Sidecar(t.Context(), t.TempDir(), "v1")
	t.Log(f, err)
}
