package engine

import (
	"encoding/base64"
	"path"
	"strings"

	"github.com/gobwas/glob"
)

// files is what templates see as .Files. Its name, and that of the package,
// are those that text/template quotes in Helm's errors.
type files map[string][]byte

// Files makes the .Files of a chart, from the content by name. Templates can
// see content itself: it must not be used for anything that they could spoil.
func Files(content map[string][]byte) any { return files(content) }

// GetBytes returns the content of a file, nothing if there is none.
func (f files) GetBytes(name string) []byte {
	if data, ok := f[name]; ok {
		return data
	}
	return []byte{}
}

// Get returns the content of a file as text.
func (f files) Get(name string) string { return string(f.GetBytes(name)) }

// Glob returns the files whose names match; a pattern that is none matches all.
func (f files) Glob(pattern string) files {
	matcher, err := glob.Compile(pattern, '/')
	if err != nil {
		matcher = glob.MustCompile("**")
	}
	found := files{}
	for name, data := range f {
		if matcher.Match(name) {
			found[name] = data
		}
	}
	return found
}

// AsConfig returns the files as YAML, by the last element of their names.
func (f files) AsConfig() string {
	return f.asYAML(func(data []byte) string { return string(data) })
}

// AsSecrets returns the files as AsConfig does, in base64.
func (f files) AsSecrets() string { return f.asYAML(base64.StdEncoding.EncodeToString) }

func (f files) asYAML(encode func([]byte) string) string {
	if f == nil {
		return ""
	}
	texts := make(map[string]string, len(f))
	for name, data := range f {
		texts[path.Base(name)] = encode(data)
	}
	return toYAML(texts)
}

// Lines returns the lines of a file.
func (f files) Lines(name string) []string {
	if len(f[name]) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(f[name]), "\n"), "\n")
}
