package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge/edgetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"core-pipeline-cmp": main})
}

// TestScript runs testdata/script. UPDATE_GOLDEN=1 rewrites what they compare.
func TestScript(t *testing.T) {
	testscript.Run(t, edgetest.Params(os.Getenv("UPDATE_GOLDEN") != ""))
}
