package fleet

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gobwas/glob"
)

// admits tells which destination of the project admits the Application, as
// Argo CD decides it: by name or by server, and by namespace.
func (p *projectFile) admits(a *Application) (index int, ok bool) {
	if a.Spec.Source == nil || !p.admitsSource(a.Spec.Source.RepoURL) {
		return 0, false
	}
	for i, item := range p.Spec.Destinations {
		name := matches(item.Name, a.cluster.Name)
		server := matches(item.Server, strings.TrimRight(a.cluster.Server, "/"))
		namespace := matches(item.Namespace, a.Namespace())
		switch {
		case (name || server) && namespace:
			if !ok {
				index = i
			}
			ok = true
		case (!name && denies(item.Name) || !server && denies(item.Server)) && namespace:
			return 0, false
		case !namespace && denies(item.Namespace) && server:
			return 0, false
		}
	}
	return index, ok
}

func (p *projectFile) admitsSource(repoURL string) bool {
	ok := false
	for _, pattern := range p.Spec.SourceRepos {
		deny := denies(pattern)
		normalized := normalizeURL(strings.TrimPrefix(pattern, "!"))
		matched := normalized == "*" || match(normalized, normalizeURL(repoURL), '/')
		if deny && matched {
			return false
		}
		ok = ok || matched != deny
	}
	return ok
}

var scpLike = regexp.MustCompile(`^[\w.-]+@[\w.-]+:`)

// normalizeURL makes the spellings of one repository equal.
func normalizeURL(repo string) string {
	repo = strings.ToLower(strings.TrimSpace(repo))
	if scpLike.MatchString(repo) {
		repo = strings.Replace(repo, ":", "/", 1)
	}
	return strings.TrimPrefix(strings.TrimSuffix(repo, ".git"), "ssh://")
}

func denies(pattern string) bool { return strings.HasPrefix(pattern, "!") }

func matches(pattern, text string) bool {
	if text == "" {
		return false
	}
	if denies(pattern) {
		return !match(pattern[1:], text)
	}
	return match(pattern, text)
}

// match compiles often the same few patterns; a fleet has far more clusters.
func match(pattern, text string, separators ...rune) bool {
	if !strings.ContainsAny(pattern, `*?[]{}!\`) {
		return pattern == text
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && len(separators) == 0 && !strings.ContainsAny(prefix, `*?[]{}!\`) {
		return strings.HasPrefix(text, prefix)
	}
	compiled, err := glob.Compile(pattern, separators...)
	return err == nil && compiled.Match(text)
}

// check reports what Argo CD accepts in a project and does not do.
func (p *projectFile) check() Findings {
	d := p.doc.again()
	d.required([2]string{"metadata.name", p.Metadata.Name})
	for i, item := range p.Spec.Destinations {
		field := fmt.Sprintf("spec.destinations[%d]", i)
		if item.Name != "" && item.Server != "" {
			d.find(field, "has a name and a server, and Argo CD admits what matches either; keep the name")
		}
		for _, pattern := range []struct{ field, text string }{{".name", item.Name}, {".server", item.Server}, {".namespace", item.Namespace}} {
			if _, err := glob.Compile(strings.TrimPrefix(pattern.text, "!")); err != nil {
				d.find(field+pattern.field, "is not a pattern")
			} else if denies(pattern.text) {
				d.find(field+pattern.field, "begins with !, and admits everything else; list what is admitted")
			}
		}
	}
	p.checkRoles(d)
	for i, w := range p.Spec.SyncWindows {
		w.check(d, fmt.Sprintf("spec.syncWindows[%d]", i))
	}
	return d.findings
}
