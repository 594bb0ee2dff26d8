package helm

import (
	"crypto/sha256"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

const valuesFile = "values.yaml"

// defaults remembers what the values.yaml of charts say: it is mostly comments,
// and the largest file that Helm parses when it loads a chart.
var defaults = newMemo[map[string]any](32, 1<<20)

// loadFiles is loader.LoadFiles.
func loadFiles(files []*loader.BufferedFile) (*chart.Chart, error) {
	at := slices.IndexFunc(files, func(f *loader.BufferedFile) bool { return f.Name == valuesFile })
	if at < 0 {
		return loader.LoadFiles(files)
	}
	key := sha256.Sum256(files[at].Data)
	if known, ok := defaults.get(key); ok {
		loaded, err := loader.LoadFiles(slices.Concat(files[:at], files[at+1:]))
		if err == nil {
			loaded.Values = manifest.CopyFields(known)
			loaded.Raw = slices.Insert(loaded.Raw, at, &chart.File{Name: valuesFile, Data: files[at].Data})
		}
		return loaded, err
	}
	loaded, err := loader.LoadFiles(files)
	if err == nil {
		// Helm changes the defaults of a chart while it renders.
		defaults.put(key, len(files[at].Data), manifest.CopyFields(loaded.Values))
	}
	return loaded, err
}
