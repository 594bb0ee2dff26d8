package docs

import (
	"os"
	"path/filepath"
	"testing"
)

const root = "../.."

func read(t testing.TB, page string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
