package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	// The names of time zones, on systems that have none.
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

// pathsAnnotation limits which commits Argo CD renders an Application for.
const pathsAnnotation = "argocd.argoproj.io/manifest-generate-paths"

var schedule = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func (w syncWindow) check(d *document, field string) {
	if w.Kind != "allow" && w.Kind != "deny" {
		d.find(field+".kind", "expected allow or deny")
	}
	if _, err := schedule.Parse(w.Schedule); err != nil || strings.Contains(w.Schedule, "TZ=") {
		d.find(field+".schedule", "is not five fields of cron, such as 0 16 * * 5; Argo CD would block every sync")
	}
	if duration, err := time.ParseDuration(w.Duration); err != nil || duration <= 0 {
		d.find(field+".duration", "is not a duration such as 64h")
	}
	if _, err := time.LoadLocation(w.TimeZone); err != nil || w.TimeZone == "Local" {
		d.find(field+".timeZone", "is not a time zone such as Europe/Berlin; Argo CD would take UTC and not say so")
	}
	if len(w.Applications)+len(w.Namespaces)+len(w.Clusters) == 0 {
		d.find(field, "names no applications, namespaces or clusters, and applies to nothing")
	}
}

// matches tells whether Argo CD applies the window to an Application. It
// compares the destination as it is written, and resolves no server.
func (w syncWindow) matches(a *Application) bool {
	some := func(patterns []string, texts ...string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			return slices.ContainsFunc(texts, func(text string) bool { return text != "" && match(pattern, text) })
		})
	}
	d := a.Spec.Destination
	said, matched := 0, 0
	for _, kind := range []struct {
		patterns []string
		matched  bool
	}{
		{w.Applications, some(w.Applications, a.Name())},
		{w.Clusters, some(w.Clusters, d.Name, d.Server)},
		{w.Namespaces, some(w.Namespaces, d.Namespace)},
	} {
		if len(kind.patterns) > 0 {
			said++
		}
		if kind.matched {
			matched++
		}
	}
	if w.AndOperator {
		return said > 0 && matched == said
	}
	return matched > 0
}

// checkWindows wants every window to apply to an Application, if its project
// has any: nobody notices one that is misspelt before it has to hold.
func (f *Fleet) checkWindows(apps []*Application) Findings {
	var findings Findings
	held := map[*setFile]bool{}
	for _, p := range f.projects {
		own := slices.DeleteFunc(slices.Clone(apps), func(a *Application) bool { return a.Project() != p.Metadata.Name })
		for i, w := range p.Spec.SyncWindows {
			matched := false
			for _, a := range own {
				if w.matches(a) {
					matched, held[a.set] = true, true
				}
			}
			if named := len(w.Applications)+len(w.Namespaces)+len(w.Clusters) > 0; named && !matched && len(own) > 0 {
				findings = append(findings, p.doc.at(fmt.Sprintf("spec.syncWindows[%d]", i), "applies to none of the Applications of the project, such as %s in cluster %s", clip(own[0].Name()), clip(own[0].Spec.Destination.Name)))
			}
		}
	}
	for _, s := range f.sets {
		if _, ok := s.Spec.Template.Metadata.Annotations[pathsAnnotation]; ok && held[s] {
			findings = append(findings, s.doc.at("spec.template.metadata.annotations."+pathsAnnotation, "what a sync window held back would be synced without its hooks, or not at all; leave it out"))
		}
	}
	return findings
}
