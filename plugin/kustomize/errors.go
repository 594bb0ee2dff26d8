package kustomize

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

var (
	// unmatched is kustomize's message for a strategic merge patch without a
	// target of its own: "… matches strategic merge patch \"Kind.v1.group/name.ns\"".
	unmatched = regexp.MustCompile(`no (?:resource )?matches (?:for )?(?:strategic merge patch|Id) "?([A-Za-z]+)\.([a-z0-9]+)\.([a-z0-9.\[\]A-Z-]+)/([^\s".]+)`)
	// twice is its message for a resource that the rendered objects have.
	twice = regexp.MustCompile(`already registered id: ([A-Za-z]+)\.[^/\s]*/([^\s']+)\.[^.\s']+'`)
	// quoted matches what a message quotes: text of patches and of resources.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|'(?:\\\\n|[^'])*\\n[^']*'")
	// heading is in front of kustomize's messages about a kustomization file.
	heading = regexp.MustCompile(`Failed to read kustomization file under [^\n]*:\n`)
	// rooted matches what is in front of a path from the root.
	rooted = regexp.MustCompile(`(^|[\s'"(=])/`)
	plain  = regexp.MustCompile(`^["'` + "`" + `][A-Za-z0-9_./:@\[\]-]{1,80}["'` + "`" + `]$`)
)

// explain makes an error of kustomize fit to be shown: one line, with paths of
// the repository, and without the texts that it quotes.
func (g *graph) explain(ctx context.Context, err error, list manifest.List) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := err.Error()
	if m := unmatched.FindStringSubmatch(text); m != nil {
		want := types.Selector{}
		want.Kind, want.Version, want.Name = m[1], m[2], m[4]
		if !strings.HasPrefix(m[3], "[") {
			want.Group = m[3]
		}
		return fmt.Errorf("%s: a patch matches nothing: no %s%s", g.seen[g.root].file, describe(want), nearest(want, list))
	}
	if m := twice.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s: %s/%s is a resource of the overlay and was rendered already; use a patch to change it", g.seen[g.root].file, m[1], m[2])
	}
	text = quoted.ReplaceAllStringFunc(text, func(q string) string {
		if plain.MatchString(q) {
			return q
		}
		return `"…"`
	})
	// What is wrong with the file itself comes below a heading.
	text = heading.ReplaceAllString(text, "")
	text, _, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "value: {")
	if before, _, ok := strings.Cut(text, "decoding ["); ok {
		text = before + "decoding the patch"
	}
	// Kustomize works below the root of the file system in memory.
	text = rooted.ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(text, reservedFile, "the rendered objects")
	const most = 240
	if len(text) > most {
		// The cause is at the end of the chain.
		text = "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return errors.New(g.seen[g.root].file + ": kustomize: " + strings.TrimSpace(text))
}
