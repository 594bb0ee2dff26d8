package helm

import (
	"crypto/sha256"
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/engine"
)

// parsed remembers the templates of charts in this process: parsing them
// depends on their texts only, and takes about half as long as executing them.
// A parsed text takes about ten times its size.
var parsed = newMemo[*engine.Set](16, 1<<20)

// chartTemplate is a template with what it is executed with.
type chartTemplate struct {
	engine.Template
	data     chartutil.Values
	basePath string
}

// execute renders every template of c that is not a partial, as
// helm.sh/helm/v3/pkg/engine does. The result is by Helm's names of the files.
func execute(c *chart.Chart, top chartutil.Values) (map[string]string, error) {
	byName := map[string]chartTemplate{}
	addTemplates(byName, c, top)
	templates := parseOrder(byName)
	set, err := parse(templates)
	if err != nil {
		return nil, err
	}
	run, err := set.NewRun()
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(templates))
	for _, t := range templates {
		if strings.HasPrefix(path.Base(t.Name), "_") {
			continue
		}
		// The templates of a chart share their data: what one sets in it is
		// seen by those after it.
		t.data["Template"] = chartutil.Values{"Name": t.Name, "BasePath": t.basePath}
		if out[t.Name], err = run.Execute(t.Name, t.data); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parse(templates []chartTemplate) (*engine.Set, error) {
	texts := make([]engine.Template, len(templates))
	hash, size := sha256.New(), 0
	for i, t := range templates {
		texts[i] = t.Template
		for _, text := range []string{t.Name, t.Text} {
			var length [8]byte
			binary.LittleEndian.PutUint64(length[:], uint64(len(text)))
			hash.Write(length[:])
			hash.Write([]byte(text))
			size += len(text)
		}
	}
	key := digest(hash.Sum(nil))
	if known, ok := parsed.get(key); ok {
		return known, nil
	}
	set, err := engine.Parse(texts)
	if err == nil {
		parsed.put(key, size, set)
	}
	return set, err
}

// addTemplates adds the templates of c and of its dependencies, and returns
// what those of c are executed with. above is the same of the parent.
func addTemplates(out map[string]chartTemplate, c *chart.Chart, above chartutil.Values) map[string]any {
	subcharts := map[string]any{}
	data := map[string]any{
		"Chart": struct {
			chart.Metadata
			IsRoot bool
		}{*c.Metadata, c.IsRoot()},
		"Files":        engine.Files(contentOf(c.Files)),
		"Release":      above["Release"],
		"Capabilities": above["Capabilities"],
		"Values":       chartutil.Values{},
		"Subcharts":    subcharts,
	}
	if c.IsRoot() {
		data["Values"] = above["Values"]
	} else if values, err := above.Table("Values." + c.Name()); err == nil {
		data["Values"] = values
	}
	for _, dependency := range c.Dependencies() {
		subcharts[dependency.Name()] = addTemplates(out, dependency, data)
	}
	isLibrary := strings.EqualFold(c.Metadata.Type, "library")
	dir := c.ChartFullPath()
	for _, t := range c.Templates {
		if t == nil || isLibrary && !strings.HasPrefix(path.Base(t.Name), "_") {
			continue
		}
		name := path.Join(dir, t.Name)
		out[name] = chartTemplate{engine.Template{Name: name, Text: string(t.Data)}, data, path.Join(dir, "templates")}
	}
	return data
}

func contentOf(files []*chart.File) map[string][]byte {
	content := make(map[string][]byte, len(files))
	for _, f := range files {
		content[f.Name] = f.Data
	}
	return content
}

// parseOrder sorts templates as Helm parses and executes them: the deepest
// first, so that a chart can redefine what its dependencies define, and by
// descending names.
func parseOrder(byName map[string]chartTemplate) []chartTemplate {
	out := make([]chartTemplate, 0, len(byName))
	for _, t := range byName {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b chartTemplate) int {
		if n := strings.Count(b.Name, "/") - strings.Count(a.Name, "/"); n != 0 {
			return n
		}
		return strings.Compare(b.Name, a.Name)
	})
	return out
}
