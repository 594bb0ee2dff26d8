package argocd

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

const chart = "charts/core-pipeline"

// children are kinds that the chart does not emit. The user interface shows
// no object of a kind that the project does not list.
var children = []groupKind{{Group: "", Kind: "Pod"}, {Group: "apps", Kind: "ReplicaSet"}}

// TestT25KindsAreThoseOfTheChart renders every environment and feature. The
// projects list what came out: less would break a sync, more would be a right
// that nobody needs.
func TestT25KindsAreThoseOfTheChart(t *testing.T) {
	want := append(emitted(t), children...)
	slices.SortFunc(want, compare)
	for _, e := range environments {
		got := load[project](t, "projects/"+e+".yaml").Spec.NamespaceResourceWhitelist
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("projects/%s.yaml (-chart +whitelist):\n%s", e, diff)
		}
	}
}

func compare(a, b groupKind) int {
	return strings.Compare(a.Group+"/"+a.Kind, b.Group+"/"+b.Kind)
}

// emitted lists the kinds of all objects of the chart, over the environments
// and the values files that switch on everything else.
func emitted(t *testing.T) []groupKind {
	t.Helper()
	tree := os.DirFS("../..")
	var requests []plugin.Parameters
	for _, e := range append([]string{"test"}, environments...) {
		requests = append(requests, plugin.Parameters{Environment: e})
	}
	files, err := fs.Glob(tree, path.Join(chart, "ci", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in ci, %v", err)
	}
	for _, file := range files {
		requests = append(requests, plugin.Parameters{ValueFiles: []string{"/" + file}})
	}
	var out []groupKind
	for _, p := range requests {
		p.ReleaseName, p.Namespace = "core-pipeline", "core-pipeline"
		objects, err := plugin.Render(t.Context(), tree, plugin.Request{Dir: chart, Parameters: p}, plugin.Options{})
		if err != nil {
			t.Fatal(plugin.Message(err))
		}
		for _, o := range objects {
			group, _, found := strings.Cut(o.APIVersion(), "/")
			if !found {
				group = ""
			}
			if kind := (groupKind{Group: group, Kind: o.Kind()}); !slices.Contains(out, kind) {
				out = append(out, kind)
			}
		}
	}
	return out
}

var templateKind = regexp.MustCompile(`(?m)^kind: (\w+)$`)

// TestT25TemplatesAreRendered: a kind that no render above has would be missed.
func TestT25TemplatesAreRendered(t *testing.T) {
	kinds := map[string]bool{}
	for _, k := range emitted(t) {
		kinds[k.Kind] = true
	}
	err := fs.WalkDir(os.DirFS("../.."), path.Join(chart, "templates"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, "/tests/") {
			return err
		}
		data, err := os.ReadFile(path.Join("../..", name))
		for _, m := range templateKind.FindAllStringSubmatch(string(data), -1) {
			if !kinds[m[1]] {
				t.Errorf("%s: no values file renders the %s", name, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestProjectsDiffer only in names, and prod in its window.
func TestProjectsDiffer(t *testing.T) {
	want := load[project](t, "projects/prod.yaml")
	want.Spec.SyncWindows = nil
	for _, e := range []string{"dev", "staging"} {
		data, err := yaml.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		wanted := decode[project](t, "prod", []byte(strings.ReplaceAll(string(data), "prod", e)))
		if diff := cmp.Diff(wanted, load[project](t, "projects/"+e+".yaml"), cmp.AllowUnexported(project{})); diff != "" {
			t.Errorf("projects/%s.yaml (-prod +%s):\n%s", e, e, diff)
		}
	}
}

// TestT04ProjectsAdmitTheirClustersOnly, by a prefix that ends in a dash:
// without it, prod* admits production. What Argo CD makes of it is tested
// with its code.
func TestT04ProjectsAdmitTheirClustersOnly(t *testing.T) {
	for _, e := range environments {
		p := load[project](t, "projects/"+e+".yaml")
		want := []destination{{Name: e + "-*", Namespace: "core-pipeline-" + e}}
		if diff := cmp.Diff(want, p.Spec.Destinations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e, diff)
		}
		if diff := cmp.Diff([]groupKind{{Kind: "Namespace", Name: "core-pipeline-" + e}}, p.Spec.ClusterResourceWhitelist); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e, diff)
		}
	}
	locked := load[project](t, "projects/default-locked.yaml").Spec
	if len(locked.SourceRepos)+len(locked.Destinations) > 0 || !slices.Equal(locked.NamespaceResourceBlacklist, []groupKind{{Group: "*", Kind: "*"}}) {
		t.Error("the project default is not locked")
	}
}

// TestT05NoServerBesideAName: the type of a destination has no server, so that
// a manifest with one does not decode. This shows that it does not.
func TestT05NoServerBesideAName(t *testing.T) {
	var d destination
	if err := yaml.UnmarshalStrict([]byte("{name: prod-*, server: '*', namespace: a}"), &d); err == nil {
		t.Error("a destination with name and server passes")
	}
}

// TestT07Windows: Argo CD takes a time zone that it does not know for UTC, and
// says nothing.
func TestT07Windows(t *testing.T) {
	windows := load[project](t, "projects/prod.yaml").Spec.SyncWindows
	if len(windows) == 0 {
		t.Fatal("prod has no window")
	}
	for _, w := range windows {
		if _, err := time.LoadLocation(w.TimeZone); err != nil || w.TimeZone == "" {
			t.Errorf("%s: %v", w.Description, err)
		}
		if length, err := time.ParseDuration(w.Duration); err != nil || length < 15*time.Minute {
			t.Errorf("%s lasts %s, %v", w.Description, w.Duration, err)
		}
		if len(strings.Fields(w.Schedule)) != 5 || !slices.Equal(w.Clusters, []string{"prod-*"}) || !w.ManualSync {
			t.Errorf("%+v", w)
		}
	}
}

var policy = regexp.MustCompile(`^p, proj:(\S+):(\w+), (applications|logs), (\S+), (\S+), (allow|deny)$`)

// TestT06Policies: Argo CD drops all roles of a project for one policy that
// does not parse.
func TestT06Policies(t *testing.T) {
	for _, e := range environments {
		p := load[project](t, "projects/"+e+".yaml")
		name := p.Metadata.Name
		for _, r := range p.Spec.Roles {
			for _, line := range r.Policies {
				m := policy.FindStringSubmatch(line)
				if m == nil || m[1] != name || m[2] != r.Name || m[5] != name+"/*" {
					t.Errorf("%s, %s: %s", name, r.Name, line)
				}
			}
		}
	}
}

// TestSubscriptions: every project is subscribed to every trigger, and to none
// that is not there.
func TestSubscriptions(t *testing.T) {
	var cm struct{ Data map[string]string }
	if err := yaml.Unmarshal(read(t, "install/components/notifications/notifications.yaml"), &cm); err != nil {
		t.Fatal(err)
	}
	var want []string
	for key := range cm.Data {
		if name, ok := strings.CutPrefix(key, "trigger."); ok {
			want = append(want, fmt.Sprintf("notifications.argoproj.io/subscribe.%s.slack", name))
		}
	}
	slices.Sort(want)
	for _, e := range environments {
		var got []string
		for key, channel := range load[project](t, "projects/"+e+".yaml").Metadata.Annotations {
			if strings.Contains(key, "/subscribe.") && channel == "core-pipeline-"+e {
				got = append(got, key)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s is subscribed to %v, there are %v", e, got, want)
		}
	}
}
