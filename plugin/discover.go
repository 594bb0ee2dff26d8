package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// Discover reports whether dir looks made for this plugin: a chart with a
// values file or an overlay for at least one environment. Other charts are
// left to Argo CD's own Helm support.
func Discover(tree fs.FS, dir string) bool {
	dir = path.Clean("./" + dir)
	if _, err := fs.Stat(tree, path.Join(dir, "Chart.yaml")); err != nil {
		return false
	}
	if len(Environments(tree, dir)) > 0 {
		return true
	}
	info, err := fs.Stat(tree, path.Join(dir, "overlays"))
	return err == nil && info.IsDir()
}

// Announcement tells Argo CD's user interface about one parameter: message
// ParameterAnnouncement of Argo CD's reposerver/repository/repository.proto.
// The interface shows Title, Tooltip and the default under the field that
// CollectionType names; it ignores Required and ItemType.
type Announcement struct {
	Name           string            `json:"name"`
	Title          string            `json:"title,omitempty"`
	Tooltip        string            `json:"tooltip,omitempty"`
	CollectionType string            `json:"collectionType,omitempty"`
	String         string            `json:"string,omitempty"`
	Array          []string          `json:"array,omitempty"`
	Map            map[string]string `json:"map,omitempty"`
}

// Announce lists the parameters of the application in dir: those of every
// application, then one for each documented value of the chart, by path. The
// default of the latter is the chart's.
//
// Argo CD caches the answer for all Applications of a source, so it depends
// on the files in dir only.
func Announce(tree fs.FS, dir string) ([]Announcement, error) {
	dir = path.Clean("./" + dir)
	var out []Announcement
	for _, d := range Definitions() {
		a := Announcement{Name: d.Name, Title: d.Title, Tooltip: d.Tooltip, CollectionType: "string"}
		switch {
		case d.List != nil:
			a.CollectionType = "array"
		case d.Table != nil:
			a.CollectionType = "map"
		case d.Switch != nil:
			a.String = "false"
		}
		if d.Name == "environment" {
			if names := Environments(tree, dir); len(names) > 0 {
				a.Tooltip += "; one of: " + strings.Join(names, ", ")
			}
		}
		out = append(out, a)
	}
	leaves, err := announceValues(tree, dir)
	return append(out, leaves...), err
}

func announceValues(tree fs.FS, dir string) ([]Announcement, error) {
	file := path.Join(dir, "values.schema.json")
	data, err := fs.ReadFile(tree, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var root schema
	if err := json.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("%s: not a JSON schema", file)
	}
	defaults, err := chartDefaults(tree, dir)
	if err != nil {
		return nil, err
	}
	a := announcer{root: &root}
	a.walk("", &root, defaults, 0)
	return a.out, nil
}

func chartDefaults(tree fs.FS, dir string) (map[string]any, error) {
	file := path.Join(dir, "values.yaml")
	data, err := fs.ReadFile(tree, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	layer, err := values.Parse(file, data)
	return layer.Values, err
}

// schema is the part of JSON Schema that announcements need.
type schema struct {
	Ref         string             `json:"$ref"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        any                `json:"type"`
	Enum        []any              `json:"enum"`
	Properties  map[string]*schema `json:"properties"`
	Definitions map[string]*schema `json:"definitions"`
	Defs        map[string]*schema `json:"$defs"`
}

// The bounds of what is announced: a schema may refer to itself.
const (
	maxAnnounced     = 1000
	maxAnnouncedPath = 16
)

type announcer struct {
	root *schema
	out  []Announcement
}

func (a *announcer) walk(at string, s *schema, value any, depth int) {
	if s == nil || depth > maxAnnouncedPath || len(a.out) >= maxAnnounced {
		return
	}
	target := a.resolve(s)
	if len(target.Properties) > 0 {
		children, _ := value.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(target.Properties)) {
			a.walk(values.Join(at, name), target.Properties[name], children[name], depth+1)
		}
		return
	}
	description := s.Description
	if description == "" {
		description = target.Description
	}
	if description == "" || at == "" {
		return // not documented
	}
	if words := texts(target.Enum); len(words) > 0 {
		description = strings.TrimSuffix(description, ".") + "; one of: " + strings.Join(words, ", ")
	}
	prefix, text := setPrefix, ""
	if target.Type == "string" {
		text, _ = value.(string)
	} else {
		prefix = setJSONPrefix
		if data, err := json.Marshal(value); err == nil && value != nil {
			text = string(data)
		}
	}
	a.out = append(a.out, Announcement{
		Name: prefix + at, Title: at, Tooltip: description, CollectionType: "string", String: text,
	})
}

// resolve follows references to definitions of the same file.
func (a *announcer) resolve(s *schema) *schema {
	for range maxAnnouncedPath {
		name, ok := strings.CutPrefix(s.Ref, "#/definitions/")
		from := a.root.Definitions
		if !ok {
			name, ok = strings.CutPrefix(s.Ref, "#/$defs/")
			from = a.root.Defs
		}
		if !ok || from[name] == nil {
			return s
		}
		s = from[name]
	}
	return s
}

func texts(list []any) []string {
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok && text != "" {
			out = append(out, text)
		}
	}
	return out
}

// ChartName returns the name in the Chart.yaml of dir, "" if it cannot be
// read; Render says then what is wrong.
func ChartName(tree fs.FS, dir string) string {
	file := path.Join(dir, "Chart.yaml")
	data, err := fs.ReadFile(tree, file)
	if err != nil {
		return ""
	}
	layer, err := values.Parse(file, data)
	if err != nil {
		return ""
	}
	name, _ := layer.Values["name"].(string)
	return name
}
