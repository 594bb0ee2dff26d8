package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

// pluginSource is spec.source.plugin of an Application.
type pluginSource struct {
	Name       string           `json:"name"`
	Parameters []map[string]any `json:"parameters"`
}

// application has the fields that the guides use, and no others.
type application struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Project     string `json:"project"`
		Destination struct {
			Name      string `json:"name"`
			Server    string `json:"server"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
		Source struct {
			RepoURL        string       `json:"repoURL"`
			TargetRevision string       `json:"targetRevision"`
			Path           string       `json:"path"`
			Plugin         pluginSource `json:"plugin"`
		} `json:"source"`
		SyncPolicy struct {
			Automated   map[string]bool `json:"automated"`
			SyncOptions []string        `json:"syncOptions"`
		} `json:"syncPolicy"`
	} `json:"spec"`
}

// podParts are lists of a pod that a page shows alone, and the definitions of
// their items.
var podParts = map[string]string{"containers": "io.k8s.api.core.v1.Container", "volumes": "io.k8s.api.core.v1.Volume"}

// schemas are those that the chart's objects are held to, in which unknown
// fields are errors.
type schemas struct {
	t     *testing.T
	kinds map[string]string
	c     *jsonschema.Compiler
}

const schemaFile = "test/chart/testdata/schemas/kubernetes-1.37.json"

func readSchemas(t *testing.T) schemas {
	t.Helper()
	text := read(t, schemaFile)
	var apis struct {
		Kinds map[string]string `json:"kinds"`
	}
	if err := json.Unmarshal([]byte(text), &apis); err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("kubernetes.json", document); err != nil {
		t.Fatal(err)
	}
	return schemas{t, apis.Kinds, c}
}

func (s schemas) check(definition string, value any) error {
	s.t.Helper()
	schema, err := s.c.Compile("kubernetes.json#/definitions/" + definition)
	if err != nil {
		s.t.Fatal(err)
	}
	return schema.Validate(value)
}

// document reads YAML as the validator wants it.
func document(text string) (any, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(data))
}

var written = regexp.MustCompile(`(?ms)^cat > \S+\.yaml <<'END'\n(.*?)^END$`)

// TestYAML decodes every YAML text of the guides strictly, and renders with
// those that are parameters or an overlay.
func TestYAML(t *testing.T) {
	known := readSchemas(t)
	count := map[string]int{}
	for _, page := range guides(t) {
		code, _ := blocks(t, page)
		for _, b := range code {
			texts := []string{}
			switch b.lang {
			case "yaml":
				texts = append(texts, b.text)
			case "sh":
				for _, m := range written.FindAllStringSubmatch(b.text, -1) {
					// Charts and values are rendered by TestCommands.
					if strings.Contains(m[1], "\nkind: ") && !strings.Contains(m[1], "{{") {
						texts = append(texts, m[1])
					}
				}
			}
			for _, text := range texts {
				kind, err := decode(t, known, text)
				if err != nil {
					t.Errorf("%s:%d: %v", page, b.line, err)
				}
				count[kind]++
			}
		}
	}
	for kind, want := range map[string]int{"Application": 2, "Kustomization": 3, "plugin": 1, "pod": 3, "NetworkPolicy": 1, "ImageUpdater": 1} {
		if count[kind] < want {
			t.Errorf("%d texts are a %s", count[kind], kind)
		}
	}
}

func decode(t *testing.T, known schemas, text string) (kind string, err error) {
	t.Helper()
	value, err := document(text)
	if err != nil {
		return "", err
	}
	fields, _ := value.(map[string]any)
	kind, _ = fields["kind"].(string)
	version, _ := fields["apiVersion"].(string)
	switch definition := known.kinds[version+"/"+kind]; {
	case kind == "Application":
		var a application
		if err := yaml.UnmarshalStrict([]byte(text), &a); err != nil {
			return kind, err
		}
		return kind, render(t, a.Spec.Source.Plugin, a.Spec.Source.Path == "charts/core-pipeline")
	case kind == "Kustomization":
		var k types.Kustomization
		if err := k.Unmarshal([]byte(text)); err != nil {
			return kind, err
		}
		if len(k.Resources) > 0 {
			return kind, nil // test/e2e/gitops builds it
		}
		return kind, renderOverlay(t, text)
	case kind == "ImageUpdater":
		return kind, checkImageUpdater(t, text)
	case definition != "":
		return kind, known.check(definition, value)
	case fields["parameters"] != nil:
		var p pluginSource
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			return "plugin", err
		}
		return "plugin", render(t, p, true)
	}
	for name, list := range fields {
		definition, ok := podParts[name]
		items, isList := list.([]any)
		if !ok || !isList {
			t.Errorf("nobody knows what %q is a part of; say it in this test", name)
			continue
		}
		for _, item := range items {
			if err := known.check(definition, item); err != nil {
				return "pod", err
			}
		}
	}
	return "pod", nil
}

// render gives parameters to the program as argocd-cmp-server does. What they
// say of another chart than this one is only read.
func render(t *testing.T, p pluginSource, ours bool) error {
	t.Helper()
	if p.Name != "core-pipeline-v1" {
		t.Errorf("the plugin is %q", p.Name)
	}
	parameters, err := json.Marshal(p.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.ReadParameters(string(parameters)); err != nil || !ours {
		return err
	}
	dir, chart := checkout(t), "charts/core-pipeline"
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o700); err != nil { // marks the root
		t.Fatal(err)
	}
	return run(t, filepath.Join(dir, chart), []string{
		"ARGOCD_APP_PARAMETERS=" + string(parameters), "ARGOCD_APP_NAME=core-pipeline-prod-eu-1",
		"ARGOCD_APP_NAMESPACE=core-pipeline-prod", "ARGOCD_APP_SOURCE_PATH=" + chart,
	}, "core-pipeline-cmp", "generate")
}

// renderOverlay renders the chart with a kustomization.
func renderOverlay(t *testing.T, text string) error {
	t.Helper()
	if strings.Contains(text, "name: hello") {
		return nil // TestCommands renders that of the first guide with its chart
	}
	dir := checkout(t)
	overlay := filepath.Join(dir, "overlay")
	if err := os.Mkdir(overlay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return run(t, dir, nil, "core-pipeline", "render", "--environment", "prod", "--overlay", "/overlay", "charts/core-pipeline")
}

func run(t *testing.T, dir string, env []string, program string, arguments ...string) error {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, program), arguments...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, &stderr)
	}
	return nil
}
