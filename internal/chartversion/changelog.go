package chartversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	yamlnode "go.yaml.in/yaml/v4"
)

const (
	changelogFile = "CHANGELOG.md"
	unreleased    = "Unreleased"
	annotation    = "artifacthub.io/changes"
)

// kinds are those of Keep a Changelog and of Artifact Hub, which are the same.
var kinds = []string{"added", "changed", "deprecated", "removed", "fixed", "security"}

// Entry is one line of a changelog.
type Entry struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

// section is what a changelog says about one version.
type section struct {
	// title is the version, or Unreleased; line counts from 1.
	title   string
	line    int
	entries []Entry
}

// sections reads a changelog in the form of Keep a Changelog.
func sections(text []byte) ([]section, error) {
	var all []section
	var errs []error
	kind := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, "\r ")
		switch {
		case strings.HasPrefix(line, "## "):
			title, _, _ := strings.Cut(strings.TrimPrefix(line, "## "), " - ")
			all = append(all, section{title: strings.Trim(title, "[] "), line: i + 1})
			kind = ""
		case len(all) == 0:
		case strings.HasPrefix(line, "### "):
			kind = strings.ToLower(strings.TrimPrefix(line, "### "))
			if !slices.Contains(kinds, kind) {
				errs = append(errs, fmt.Errorf("%s:%d: the heading is none of %s", changelogFile, i+1, strings.Join(kinds, ", ")))
			}
		case strings.HasPrefix(line, "- ") && kind == "":
			errs = append(errs, fmt.Errorf("%s:%d: the item is below no heading such as ### Added", changelogFile, i+1))
		case strings.HasPrefix(line, "- "):
			last := &all[len(all)-1]
			last.entries = append(last.entries, Entry{kind, strings.TrimPrefix(line, "- ")})
		case strings.HasPrefix(line, "  ") && len(all[len(all)-1].entries) > 0:
			entries := all[len(all)-1].entries
			entries[len(entries)-1].Description += " " + strings.TrimSpace(line)
		}
	}
	return all, errors.Join(errs...)
}

// release renames a section.
func release(text []byte, s section, version string) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines[s.line-1] = bytes.Replace(lines[s.line-1], []byte(s.title), []byte(version), 1)
	return bytes.Join(lines, nil)
}

// annotated are the entries in Chart.yaml.
func (m metadata) annotated() ([]Entry, error) {
	var entries []Entry
	text, ok := m.Annotations[annotation]
	if !ok {
		return nil, fmt.Errorf("%s: annotations.%s is missing; write it as a block that begins with |", chartFile, annotation)
	}
	if err := yaml.UnmarshalStrict([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("%s: annotations.%s: expected a list of kind and description", chartFile, annotation)
	}
	return entries, nil
}

// annotate replaces the block of the annotation in Chart.yaml and no other
// line.
func annotate(text []byte, entries []Entry) ([]byte, error) {
	bad := fmt.Errorf("%s: annotations.%s: expected a block that begins with |", chartFile, annotation)
	line, indent := blockOf(text)
	lines := bytes.SplitAfter(text, []byte("\n"))
	if line == 0 {
		return nil, bad
	}
	end := "\n"
	if bytes.HasSuffix(lines[line-1], []byte("\r\n")) {
		end = "\r\n"
	}
	last := line
	for i := line; i < len(lines); i++ {
		content := bytes.TrimLeft(lines[i], " ")
		if len(bytes.TrimSpace(content)) > 0 && len(lines[i])-len(content) <= indent {
			break
		}
		if len(bytes.TrimSpace(content)) > 0 {
			last = i + 1
		}
	}
	var block bytes.Buffer
	space := strings.Repeat(" ", indent+2)
	for _, e := range entries {
		fmt.Fprintf(&block, "%s- kind: %s%s%s  description: %s%s", space, e.Kind, end, space, scalar(e.Description), end)
	}
	edited := slices.Concat(bytes.Join(lines[:line], nil), block.Bytes(), bytes.Join(lines[last:], nil))
	m, _, err := Files{chartFile: edited}.metadata()
	if err != nil {
		return nil, bad
	}
	if got, err := m.annotated(); err != nil || !slices.Equal(got, entries) {
		return nil, bad
	}
	return edited, nil
}

// blockOf finds the line of the annotation's key, and its indentation; zero if
// its value is no literal block.
func blockOf(text []byte) (line, indent int) {
	var root yamlnode.Node
	if err := yamlnode.Unmarshal(text, &root); err != nil || len(root.Content) != 1 {
		return 0, 0
	}
	_, annotations := pair(root.Content[0], "annotations")
	key, value := pair(annotations, annotation)
	if value == nil || value.Style&yamlnode.LiteralStyle == 0 || key.Line != value.Line {
		return 0, 0
	}
	return key.Line, key.Column - 1
}

func pair(m *yamlnode.Node, name string) (key, value *yamlnode.Node) {
	if m == nil || m.Kind != yamlnode.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

// scalar is a text in YAML, in quotes where it needs them.
func scalar(text string) string {
	var back struct {
		D any `json:"d"`
	}
	if err := yaml.Unmarshal([]byte("d: "+text), &back); err == nil && back.D == any(text) {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(quoted)
}
