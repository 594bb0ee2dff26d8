package addons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// CertManager is the path of the program in the folder certmanager: cert-manager's own controllers, started by a main
// function of ours.
func CertManager(ctx context.Context) (string, error) {
	root, err := programs.Root()
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "test", "e2e", "addons", "certmanager")
	hash := sha256.New()
	for _, name := range []string{"main.go", "go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		hash.Write(data)
	}
	key := "cert-manager-" + CertManagerVersion + "-" + hex.EncodeToString(hash.Sum(nil))[:8]
	built, err := cached(ctx, key, []string{"certmanager"}, func(ctx context.Context, _, out string) error {
		_, err := goTool(ctx, source, "build", "-mod=readonly", "-ldflags", "-s -w", "-o", out+string(filepath.Separator), ".")
		return err
	})
	return built["certmanager"], err
}
