package docs

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const messagesPage = "docs/troubleshooting.md"

// listed matches a message of the guide: a list item that is one code span.
var listed = regexp.MustCompile("^- (?:`` (.*) ``|``(.*)``|`([^`]*)`)$")

// TestMessages holds the guide to the messages of the programs: each is listed
// once, under a heading of its own or one that it shares with those that ask
// the reader for the same, and what is listed exists.
func TestMessages(t *testing.T) {
	_, rest, found := strings.Cut(read(t, messagesPage), "<!-- messages -->\n")
	text, _, closed := strings.Cut(rest, "<!-- /messages -->\n")
	if !found || !closed {
		t.Fatal("the guide has no marks for the messages")
	}
	known := origins(t)
	if len(known) < 300 {
		t.Fatalf("%d messages were found in the source", len(known))
	}
	seen := map[string]string{}
	for section := range strings.SplitSeq("\n"+text, "\n### ") {
		heading, body, _ := strings.Cut(section, "\n")
		if strings.TrimSpace(heading) == "" {
			continue // what is in front of the first
		}
		body, _, _ = strings.Cut(body, "\n## ")
		count := 0
		for line := range strings.Lines(body) {
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "- ") {
				continue
			}
			m := listed.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: %s: not a message in backquotes: %s", messagesPage, heading, line)
				continue
			}
			count++
			message := m[1] + m[2] + m[3]
			if other, twice := seen[message]; twice {
				t.Errorf("%s: %q is under %q and %q", messagesPage, message, other, heading)
			}
			seen[message] = heading
			if _, ok := known[message]; !ok {
				t.Errorf("%s: %s: no program says %q any more", messagesPage, heading, message)
			}
		}
		for _, part := range []string{"\nWhy: ", "\nWhat to do: "} {
			if strings.Count(body, part) != 1 {
				t.Errorf("%s: %s: one paragraph begins with %q", messagesPage, heading, strings.TrimSpace(part))
			}
		}
		if count == 0 {
			t.Errorf("%s: %s: lists no message", messagesPage, heading)
		}
	}
	for _, message := range slices.Sorted(maps.Keys(known)) {
		if seen[message] == "" {
			t.Errorf("%s does not list this message, made at %s; put it below what its reader has to do:\n- `%s`", messagesPage, known[message], message)
		}
	}
}

// TestPieces: what is left out of the messages exists, too.
func TestPieces(t *testing.T) {
	all := map[string]bool{}
	eachText(t, func(text, _ string) { all[text] = true })
	for _, piece := range pieces {
		if !all[piece] {
			t.Errorf("no source has %q; take it from the list of pieces", piece)
		}
	}
}
