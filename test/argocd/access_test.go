package argocd

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type rule struct {
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames,omitempty"`
	Verbs         []string `json:"verbs"`
}

type clusterRole struct {
	object
	Rules []rule `json:"rules"`
}

// TestT29TargetAccess: the account that Argo CD may sync as can write exactly
// the kinds that the projects list.
func TestT29TargetAccess(t *testing.T) {
	const name = "install/components/impersonation/target.yaml"
	var role clusterRole
	for document := range strings.SplitSeq(string(read(t, name)), "\n---\n") {
		if strings.Contains(document, "\nkind: ClusterRole\n") {
			role = decode[clusterRole](t, name, []byte(document))
		}
	}
	var got []groupKind
	for _, r := range role.Rules {
		if slices.Contains(r.Verbs, "*") || slices.Contains(r.Resources, "*") || slices.Contains(r.APIGroups, "*") {
			t.Errorf("%+v allows anything", r)
		}
		for _, resource := range r.Resources {
			if slices.Contains(r.Verbs, "create") && resource != "namespaces" {
				got = append(got, groupKind{Group: r.APIGroups[0], Kind: resource})
			}
		}
	}
	var want []groupKind
	for _, k := range emitted(t) {
		want = append(want, groupKind{Group: k.Group, Kind: plural(k.Kind)})
	}
	slices.SortFunc(got, compare)
	slices.SortFunc(want, compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-chart +role):\n%s", name, diff)
	}
}

func plural(kind string) string {
	kind = strings.ToLower(kind)
	switch {
	case strings.HasSuffix(kind, "s"):
		return kind + "es"
	case strings.HasSuffix(kind, "y"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}
