package main

import (
	"fmt"
	"strings"
)

// notes returns the section of a version in a changelog of the form of Keep a
// Changelog, without its heading. A version without a section, or with an
// empty one, is an error: it has not been described.
func notes(changelog, version string) (string, error) {
	version = strings.TrimPrefix(version, "v")
	var out strings.Builder
	found := false
	for line := range strings.Lines(changelog) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			if found {
				break
			}
			name, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
			found = strings.Trim(name, "[]") == version
			continue
		}
		if found && !reference(line) {
			out.WriteString(line)
		}
	}
	text := strings.TrimSpace(out.String())
	if !found || text == "" {
		return "", fmt.Errorf("the changelog has nothing about %s; write a section \"## [%s] - YYYY-MM-DD\" before tagging", version, version)
	}
	return text + "\n", nil
}

// reference reports whether line defines the target of a link.
func reference(line string) bool {
	return strings.HasPrefix(line, "[") && strings.Contains(line, "]: ")
}
