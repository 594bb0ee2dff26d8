package chartversion

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/internal/yamledit"
)

// Files are the files of a chart, by their path in it.
type Files map[string][]byte

// Names are the paths, sorted.
func (f Files) Names() []string { return slices.Sorted(maps.Keys(f)) }

// metadata is what counts in Chart.yaml. appVersion does not: it is an image
// tag.
type metadata struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Type         string            `json:"type"`
	KubeVersion  string            `json:"kubeVersion"`
	Dependencies []any             `json:"dependencies"`
	Annotations  map[string]string `json:"annotations"`
}

const (
	chartFile  = "Chart.yaml"
	valuesFile = "values.yaml"
	schemaFile = "values.schema.json"
)

func (f Files) metadata() (metadata, *semver.Version, error) {
	var m metadata
	text, ok := f[chartFile]
	if !ok {
		return m, nil, fmt.Errorf("%s: no such file", chartFile)
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		return m, nil, fmt.Errorf("%s: is not the description of a chart", chartFile)
	}
	v, err := semver.StrictNewVersion(m.Version)
	if err != nil {
		return m, nil, fmt.Errorf("%s: version %q: expected three numbers, as 1.2.3", chartFile, m.Version)
	}
	return m, v, nil
}

// compare lists what differs in what a release of the chart promises:
// Chart.yaml, the default values, their schema, templates, CRDs, dependencies
// and files. Values files of environments, documentation and tests of the
// chart do not count, nor do tags and digests of images.
func compare(base, head Files) ([]Change, error) {
	before, _, err := base.metadata()
	if err != nil {
		return nil, fmt.Errorf("the chart before: %w", err)
	}
	now, _, err := head.metadata()
	if err != nil {
		return nil, err
	}
	changes := compareMetadata(before, now)
	more, err := compareValues(base[valuesFile], head[valuesFile])
	if err != nil {
		return nil, err
	}
	changes = append(changes, more...)
	if more, err = compareSchemas(base[schemaFile], head[schemaFile], head[valuesFile]); err != nil {
		return nil, err
	}
	changes = append(changes, more...)
	changes = append(changes, compareFiles(base, head)...)
	slices.SortStableFunc(changes, func(a, b Change) int { return int(b.Level - a.Level) })
	return changes, nil
}

func compareMetadata(before, now metadata) []Change {
	var changes []Change
	if before.Name != now.Name || before.Type != now.Type {
		changes = append(changes, Change{Major, chartFile + ": the name or the type is another"})
	}
	if before.KubeVersion != now.KubeVersion {
		level, text := Minor, "admits other versions of Kubernetes"
		if narrower(before.KubeVersion, now.KubeVersion) {
			level, text = Major, "leaves out versions of Kubernetes that were admitted"
		}
		changes = append(changes, Change{level, chartFile + ": kubeVersion " + text})
	}
	if !reflect.DeepEqual(before.Dependencies, now.Dependencies) {
		changes = append(changes, Change{Minor, chartFile + ": dependencies are others"})
	}
	return changes
}

// narrower tells whether a minor version of Kubernetes was admitted and is no
// more. What cannot be read admits nothing.
func narrower(before, now string) bool {
	admits := func(constraint string, v *semver.Version) bool {
		if constraint == "" {
			return true
		}
		c, err := semver.NewConstraint(constraint)
		return err == nil && c.Check(v)
	}
	for minor := range uint64(100) {
		v := semver.New(1, minor, 99, "", "")
		if admits(before, v) && !admits(now, v) {
			return true
		}
	}
	return false
}

// compareValues compares the defaults by path. A list is one value.
func compareValues(before, now []byte) ([]Change, error) {
	if bytes.Equal(before, now) {
		return nil, nil
	}
	was, err := leaves(before)
	if err != nil {
		return nil, fmt.Errorf("the chart before: %w", err)
	}
	is, err := leaves(now)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(was)) {
		old, value := was[name], is[name]
		_, still := is[name]
		switch {
		case !still && kind(old) == "a map" && has(is, name+"."):
			// An empty map got values, which are new.
		case !still:
			changes = append(changes, Change{Major, valuesFile + ": " + name + " is gone"})
		case kind(old) != kind(value) && old != nil && value != nil:
			changes = append(changes, Change{Major, fmt.Sprintf("%s: %s was %s and is %s", valuesFile, name, kind(old), kind(value))})
		case !reflect.DeepEqual(old, value) && !imageTag(name):
			changes = append(changes, Change{Patch, valuesFile + ": " + name + " has another default"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, ok := was[name]; !ok {
			changes = append(changes, Change{Minor, valuesFile + ": " + name + " is new"})
		}
	}
	if len(changes) == 0 && !bytes.Equal(withoutImages(before, was), withoutImages(now, is)) {
		changes = append(changes, Change{Patch, valuesFile + ": comments or order differ"})
	}
	return changes, nil
}

func has(values map[string]any, prefix string) bool {
	for name := range values {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// imageTag tells whether a value says which image runs, which is no matter of
// the chart.
func imageTag(name string) bool {
	return strings.HasSuffix("."+name, ".image.tag") || strings.HasSuffix("."+name, ".image.digest")
}

// withoutImages is the text with the same tag and digest for all images, as far
// as they can be edited.
func withoutImages(text []byte, values map[string]any) []byte {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !imageTag(name) {
			continue
		}
		doc, err := yamledit.Parse(valuesFile, text)
		if err != nil {
			return text
		}
		if edited, err := doc.Set(yamledit.Edit{Path: strings.Split(name, "."), Value: "tag"}); err == nil {
			text = edited
		}
	}
	return text
}

// leaves are the values that are no maps, and the empty maps, by path.
func leaves(text []byte) (map[string]any, error) {
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, errors.New(valuesFile + ": is not a map in YAML")
	}
	all := map[string]any{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for name, value := range m {
			if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
				walk(prefix+name+".", inner)
			} else {
				all[prefix+name] = value
			}
		}
	}
	walk("", values)
	return all, nil
}

func kind(v any) string {
	switch v.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case nil:
		return "null"
	}
	return "a number"
}

// compareFiles compares what is neither Chart.yaml nor a values file.
func compareFiles(base, head Files) []Change {
	var changes []Change
	moved := map[string]bool{}
	for _, name := range head.Names() {
		if _, ok := base[name]; ok || !counts(name) {
			continue
		}
		from := ""
		for _, old := range base.Names() {
			if _, still := head[old]; !still && !moved[old] && path.Dir(old) == path.Dir(name) && bytes.Equal(base[old], head[name]) {
				from = old
				break
			}
		}
		switch {
		case from != "":
			moved[from] = true
			changes = append(changes, Change{Patch, name + ": was " + from})
		case makesObjects(name):
			changes = append(changes, Change{Minor, name + ": is new"})
		default:
			changes = append(changes, Change{Patch, name + ": is new"})
		}
	}
	for _, name := range base.Names() {
		now, still := head[name]
		switch {
		case !counts(name) || moved[name] || still && bytes.Equal(base[name], now):
		case still:
			changes = append(changes, Change{Patch, name + ": differs"})
		case makesObjects(name):
			changes = append(changes, Change{Major, name + ": is gone"})
		default:
			changes = append(changes, Change{Patch, name + ": is gone"})
		}
	}
	return changes
}

// counts tells whether a file can change what the chart renders.
func counts(name string) bool {
	top, _, below := strings.Cut(name, "/")
	return below && slices.Contains([]string{"templates", "crds", "charts", "files"}, top) || name == ".helmignore"
}

// makesObjects tells whether a file makes objects by itself.
func makesObjects(name string) bool {
	file := path.Base(name)
	return (strings.HasPrefix(name, "templates/") || strings.HasPrefix(name, "crds/")) && !strings.HasPrefix(file, "_") && file != "NOTES.txt"
}
