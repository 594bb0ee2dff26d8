package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var compared = regexp.MustCompile(`(?m)^cmp stderr (\S+)$`)

// others matches errors whose words are not this repository's: the guide says
// that what follows a line and a column is a library's or a chart author's.
var others = regexp.MustCompile(`(?:\.yaml|"values"):\d+:\d+: |chart\.metadata|flag provided but not defined|invalid value "`)

// TestGoldenErrors is the net below TestMessages, which reads the source: the
// errors that the scripts expect of the programs are in the guide, wherever
// their words come from.
func TestGoldenErrors(t *testing.T) {
	var known []*regexp.Regexp
	for message := range origins(t) {
		if len(strings.Fields(message)) < 2 {
			continue // would match anything
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(message), "…", ".*")
		known = append(known, regexp.MustCompile(pattern))
	}
	scripts, err := filepath.Glob(filepath.Join(root, "cmd/*/testdata/script/*.txtar"))
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	lines := 0
	for _, script := range scripts {
		data, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		archive := txtar.Parse(data)
		names := map[string]bool{}
		for _, m := range compared.FindAllStringSubmatch(string(archive.Comment), -1) {
			names[m[1]] = true
		}
		for _, file := range archive.Files {
			if !names[file.Name] || !strings.HasPrefix(string(file.Data), "core-pipeline") {
				continue // not an error
			}
		line:
			for line := range strings.Lines(string(file.Data)) {
				lines++
				for _, k := range known {
					if k.MatchString(line) {
						continue line
					}
				}
				if others.MatchString(line) {
					continue
				}
				t.Errorf("%s: %s: no message of %s has the words of: %s", filepath.Base(script), file.Name, messagesPage, strings.TrimSpace(line))
			}
		}
	}
	if lines < 100 {
		t.Errorf("the scripts expect %d lines", lines)
	}
}
