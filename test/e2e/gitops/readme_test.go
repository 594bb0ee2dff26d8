package gitops

import (
	"regexp"
	"strings"
	"testing"

	argocd "github.com/argoproj/argo-cd/v3/cmd/argocd/commands"
)

var command = regexp.MustCompile("(?m)(?:^ +|`)(argocd [^`\n]+)")

// TestReadmeCommands: Argo CD's client has every command and flag that the
// guide tells people to type.
func TestReadmeCommands(t *testing.T) {
	found := command.FindAllStringSubmatch(string(read(t, "README.md")), -1)
	if len(found) < 5 {
		t.Fatalf("found %d commands", len(found))
	}
	for _, m := range found {
		words := strings.Fields(m[1])[1:]
		c, rest, err := argocd.NewCommand().Find(words)
		if err != nil || !c.Runnable() {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if err := c.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
}
