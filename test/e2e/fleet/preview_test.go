package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// module is the project's own module, and example a fleet in it.
const (
	module  = "../../.."
	example = module + "/argocd/fleet/testdata/fleet/argocd"
)

var environments = []string{"dev", "staging", "prod"}

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// program is the path of core-pipeline.
func program(t *testing.T) string {
	t.Helper()
	dir, err := programs.Project()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "core-pipeline")
}

// fleet is what is in the files: ApplicationSets and cluster Secrets.
type fleet struct {
	sets, clusters map[string]string
}

func exampleSets(t *testing.T) map[string]string {
	t.Helper()
	sets := map[string]string{}
	for _, e := range environments {
		data, err := os.ReadFile(filepath.Join(example, "applicationsets", e+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		sets[e] = string(data)
	}
	return sets
}

// write makes a repository of the fleet.
func (f fleet) write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for dir, files := range map[string]map[string]string{"applicationsets": f.sets, "clusters": f.clusters, "projects": {"dev": project}} {
		at := filepath.Join(root, "argocd", dir)
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(at, name+".yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

const project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: core-pipeline-dev, namespace: argocd}\nspec: {}\n"

// preview is what core-pipeline prints for the fleet, by name.
func (f fleet) preview(t *testing.T, bin string) (map[string]any, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, "preview", "-o", "json", "--repository-root", f.write(t))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if stdout.Len() > 0 {
			t.Errorf("it failed and printed %s", &stdout)
		}
		return nil, fmt.Errorf("%s", &stderr)
	}
	apps := map[string]any{}
	decoder := json.NewDecoder(&stdout)
	for decoder.More() {
		var app map[string]any
		if err := decoder.Decode(&app); err != nil {
			t.Fatal(err)
		}
		apps[app["metadata"].(map[string]any)["name"].(string)] = app
	}
	return apps, nil
}

// controller is what Argo CD's code makes of the same files.
func (f fleet) controller(t *testing.T) (map[string]any, error) {
	t.Helper()
	builder := fake.NewClientBuilder()
	for name, text := range f.clusters {
		var secret corev1.Secret
		if err := yaml.UnmarshalStrict([]byte(text), &secret); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// As the API server keeps it.
		secret.Data = map[string][]byte{}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
		secret.StringData = nil
		builder = builder.WithObjects(&secret)
	}
	client := builder.Build()
	known := map[string]generators.Generator{"Clusters": generators.NewClusterGenerator(client, "argocd")}
	logger := logrus.New()
	logger.SetOutput(t.Output())
	apps := map[string]any{}
	for name, text := range f.sets {
		var set v1alpha1.ApplicationSet
		if err := yaml.UnmarshalStrict([]byte(text), &set); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		generated, _, err := template.GenerateApplications(logrus.NewEntry(logger), set, known, &utils.Render{}, client)
		if err != nil {
			return nil, err
		}
		for _, app := range generated {
			app.APIVersion, app.Kind = "argoproj.io/v1alpha1", "Application"
			data, err := json.Marshal(app)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(data, &fields); err != nil {
				t.Fatal(err)
			}
			delete(fields, "status") // always there, and empty
			delete(fields["metadata"].(map[string]any), "creationTimestamp")
			apps[app.Name] = fields
		}
	}
	return apps, nil
}

func (f fleet) compare(t *testing.T, bin string) (applications int) {
	t.Helper()
	want, wantErr := f.controller(t)
	got, err := f.preview(t, bin)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("preview: %v, the controller: %v", err, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" && err == nil {
		t.Errorf("(-controller +preview)\n%s", diff)
	}
	return len(want)
}

// cluster is a Secret with labels as key=value, and annotations.
func cluster(name, server string, annotations bool, labels ...string) string {
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: cluster-%s\n  namespace: argocd\n  labels:\n    argocd.argoproj.io/secret-type: cluster\n", strings.ToLower(strings.ReplaceAll(name, "_", "-")))
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		text += fmt.Sprintf("    core-pipeline.io/%s: %q\n", key, value)
	}
	if annotations {
		text += "  annotations:\n    example.com/tier: gold\n    argocd.argoproj.io/refresh: hard\n"
	}
	return text + fmt.Sprintf("stringData:\n  name: %q\n  server: %q\n  config: '{}'\n", name, server)
}

// TestFleets compares fleets that are made at random, from a fixed seed. Not
// all of their clusters are right.
func TestFleets(t *testing.T) {
	bin := program(t)
	random := rand.New(rand.NewPCG(3, 6))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	applications := 0
	for i := range 60 {
		f := fleet{sets: exampleSets(t), clusters: map[string]string{}}
		for j := range random.IntN(14) {
			environment := pick(environments...)
			name := fmt.Sprintf("%s%s%d", environment, pick("-eu-", "-us-", "-", "_EU.", "-a_b-"), j)
			labels := []string{
				"enabled=" + pick("true", "true", "true", "false", ""),
				"env=" + pick(environment, environment, environment, "prod", "test"),
				"ring=" + pick("canary", "main", "main", "mian", ""),
				"region=" + pick("eu", "no", "true"),
			}
			if random.IntN(4) == 0 {
				labels = slices.Delete(labels, 1+random.IntN(2), 3)
			}
			f.clusters[fmt.Sprint(j)] = cluster(name, fmt.Sprintf("https://c%d.example.com", j), random.IntN(3) > 0, labels...)
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) { applications += f.compare(t, bin) })
	}
	if applications < 80 {
		t.Errorf("only %d Applications were compared", applications)
	}
}

// TestMutantsOfSets compares what sets become that are written in other ways,
// right and wrong. Two Applications of one name are not among them: the
// controller generates both and refuses them later, preview at once.
func TestMutantsOfSets(t *testing.T) {
	bin := program(t)
	const name = "name: 'core-pipeline-{{ .nameNormalized }}'"
	for _, m := range []struct{ before, after string }{
		{name, "name: '{{ .nameNormalized | trunc 6 | trimSuffix \"-\" }}-{{ .server | sha256sum | trunc 8 }}'"},
		{name, "name: '{{ .name | replace \"-\" \".\" | upper | normalize }}'"},
		{name, "name: '{{ if eq (index .metadata.labels \"core-pipeline.io/ring\") \"canary\" }}first{{ else }}{{ .name }}{{ end }}'"},
		{name, "name: '{{ range $k, $v := .metadata.labels }}{{ $v }}-{{ end }}{{ .name }}'"},
		{name, "name: '{{ .name | fail }}'"},
		{name, "name: '{{ .nam }}'"},
		{name, "name: '{{ .metadata.annotations.x }}'"},
		{name, "name: 'a-{{ index .metadata.annotations \"example.com/tier\" }}-{{ .name }}'"},
		{name, "name: '{{ .name }'"},
		{name, "name: '{{ env \"HOME\" }}'"},
		{name, "name: '{{ expandenv \"$HOME\" }}'"},
		{name, "name: '{{ dig \"a\" \"b\" .metadata.labels }}'"},
		{name, "name: '{{ printf \"%s-%d\" .name (len .metadata.labels) }}'"},
		{name, "name: '{{ .project | default \"none\" }}-{{ .name }}'"},
		{name, "name: '{{- .name -}}'"},
		{name, "name: '{{/* a comment */}}{{ .name }}'"},
		{name, "name: '{{ (fromYaml \"a: b\").a }}-{{ .name }}'"},
		{name, "name: '{{ (fromYaml \"a: [\").a }}-{{ .name }}'"},
		{name, "name: '{{ index (fromYamlArray \"[a, b]\") 1 }}-{{ .name }}'"},
		{name, name + "\n      annotations: {labels: '{{ .metadata.labels | toYaml }}', '{{ .name }}': '{{ .server }}'}"},
		{name, name + "\n      annotations: {json: '{{ .metadata | toJson }}'}"},
		{name, name + "\n      annotations: {empty: '{{ index .metadata.labels \"x\" }}'}"},
		{name, name + "\n      finalizers: [example.com/x]"},
		{name, name + "\n      namespace: other"},
		{"preserveResourcesOnDeletion: true", "preserveResourcesOnDeletion: false"},
		{"  syncPolicy:\n    applicationsSync: sync\n    preserveResourcesOnDeletion: true\n", ""},
		{"automated: {prune: true, selfHeal: true, allowEmpty: false}", "automated: {enabled: false, prune: false}"},
		{"automated: {prune: true, selfHeal: true, allowEmpty: false}", "automated: {}"},
		{"revisionHistoryLimit: 10", "revisionHistoryLimit: 0"},
		{"revisionHistoryLimit: 10", "info: [{name: a, value: '{{ .name }}'}]"},
		{"limit: 5", "limit: 0"},
		{"limit: 5", "limit: 5\n          refresh: true"},
		{"factor: 2, ", ""},
		{"- {name: environment, string: prod}", "- {name: environment, string: ''}"},
		{"- {name: environment, string: prod}", "- {name: set, map: {a: '{{ .name }}', '{{ .name }}': b}}"},
		{"- {name: environment, string: prod}", "- {name: value-files, array: []}"},
		{"- {name: environment, string: prod}", "- {name: set, map: {}}"},
		{"- {name: environment, string: prod}", "- {name: nothing}"},
		{"          name: core-pipeline-v1\n", "          name: core-pipeline-v1\n          env: [{name: A, value: '{{ .server }}'}]\n"},
		{"targetRevision: main", "targetRevision: ''"},
		{"destination: {name: '{{ .name }}'", "destination: {server: '{{ .server }}'"},
		{"values: [canary, main]", "values: [canary]"},
		{"{key: core-pipeline.io/ring, operator: In, values: [canary, main]}", "{key: core-pipeline.io/ring, operator: NotIn, values: [canary]}"},
		{"{key: core-pipeline.io/ring, operator: In, values: [canary, main]}", "{key: core-pipeline.io/ring, operator: DoesNotExist}"},
		{"{key: core-pipeline.io/ring, operator: In, values: [canary, main]}", "{key: core-pipeline.io/region, operator: Exists}"},
		{"operator: In, values: [canary, main]}", "operator: Inn, values: [canary, main]}"},
		{"operator: In, values: [canary, main]}", "operator: Exists, values: [canary, main]}"},
		{"operator: In, values: [canary, main]}", "operator: In, values: []}"},
		{"jsonPointers: [/spec/replicas]", "jqPathExpressions: ['.spec.replicas'], name: '{{ .name }}'"},
	} {
		t.Run(m.after, func(t *testing.T) {
			f := fleet{sets: exampleSets(t), clusters: map[string]string{
				"prod-1":    cluster("prod-1", "https://a", true, "enabled=true", "env=prod", "ring=canary", "region=eu"),
				"prod-2":    cluster("prod-2", "https://b", true, "enabled=true", "env=prod", "ring=main"),
				"staging-1": cluster("staging-1", "https://c", false, "enabled=true", "env=staging", "ring=main"),
			}}
			if !strings.Contains(f.sets["prod"], m.before) {
				t.Fatalf("the set has no %s", m.before)
			}
			f.sets["prod"] = strings.Replace(f.sets["prod"], m.before, m.after, 1)
			f.compare(t, bin)
		})
	}
}
