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
// It is bounded by what they take at worst.
var parsed = newMemo[*engine.Set](16, 32<<20)

// parsedSize is at least what a parsed text takes, in bytes: usually about
// ten times the text, but up to 82 times what is between {{ and }}.
func parsedSize(text string) int {
	const worst = 100
	size := len(text)
	parts := strings.Split(text, "{{")
	for _, part := range parts[1:] {
		end := strings.LastIndex(part, "}}")
		if end < 0 {
			end = len(part)
		}
		size += worst * (end + len("{{}}"))
	}
	return size
}

// chartTemplate is a template with what it is executed with.
type chartTemplate struct {
	name, basePath string
	text           []byte
	data           chartutil.Values
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
		if strings.HasPrefix(path.Base(t.name), "_") {
			continue
		}
		// The templates of a chart share their data: what one sets in it is
		// seen by those after it.
		t.data["Template"] = chartutil.Values{"Name": t.name, "BasePath": t.basePath}
		if out[t.name], err = run.Execute(t.name, t.data); err != nil {
			return nil, err
		}
	}
	set.End(run)
	return out, nil
}

func parse(templates []chartTemplate) (*engine.Set, error) {
	hash := sha256.New()
	for _, t := range templates {
		var lengths [16]byte
		binary.LittleEndian.PutUint64(lengths[:8], uint64(len(t.name)))
		binary.LittleEndian.PutUint64(lengths[8:], uint64(len(t.text)))
		hash.Write(lengths[:])
		hash.Write([]byte(t.name))
		hash.Write(t.text)
	}
	key := digest(hash.Sum(nil))
	if known, ok := parsed.get(key); ok {
		return known, nil
	}
	texts, size := make([]engine.Template, len(templates)), 0
	for i, t := range templates {
		texts[i] = engine.Template{Name: t.name, Text: string(t.text)}
		size += parsedSize(texts[i].Text)
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
		out[name] = chartTemplate{name: name, basePath: path.Join(dir, "templates"), text: t.Data, data: data}
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
		if n := strings.Count(b.name, "/") - strings.Count(a.name, "/"); n != 0 {
			return n
		}
		return strings.Compare(b.name, a.name)
	})
	return out
}
