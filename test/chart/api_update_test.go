package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The modules that the schemas come from.
const (
	kubernetes135 = "k8s.io/kubernetes@v1.35.4"
	kubernetes136 = "k8s.io/kubernetes@v1.36.3"
	kubernetes137 = "k8s.io/kubernetes@v1.37.2"
)

// native are the kinds of Kubernetes that the chart renders.
var native = []string{
	"v1/ConfigMap", "v1/Pod", "v1/Secret", "v1/Service", "v1/ServiceAccount", "apps/v1/Deployment", "autoscaling/v2/HorizontalPodAutoscaler",
	"batch/v1/Job", "networking.k8s.io/v1/Ingress", "networking.k8s.io/v1/NetworkPolicy", "policy/v1/PodDisruptionBudget",
}

// customResources are files with the definitions of the others.
var customResources = []struct{ module, file string }{
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
	{"github.com/external-secrets/external-secrets@v1.3.2", "config/crds/bases/external-secrets.io_externalsecrets.yaml"},
	{"sigs.k8s.io/gateway-api@v1.7.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	{"github.com/traefik/traefik/v3@v3.7.13", "docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml"},
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"},
}

// TestUpdateSchemas writes testdata/schemas from the modules above, which it
// downloads: UPDATE_SCHEMAS=1 go test -run UpdateSchemas ./test/chart
func TestUpdateSchemas(t *testing.T) {
	if os.Getenv("UPDATE_SCHEMAS") == "" {
		t.Skip("UPDATE_SCHEMAS=1 writes the schemas")
	}
	for version, module := range map[string]string{"1.35": kubernetes135, "1.36": kubernetes136, "1.37": kubernetes137} {
		var swagger struct {
			Definitions map[string]map[string]any `json:"definitions"`
		}
		decode(t, filepath.Join(download(t, module), "api", "openapi-spec", "swagger.json"), &swagger)
		a := apis{Source: module, Kinds: map[string]string{}, Definitions: map[string]any{}}
		for name, definition := range swagger.Definitions {
			for _, item := range asList(definition["x-kubernetes-group-version-kind"]) {
				gvk := item.(map[string]any)
				kind := strings.TrimPrefix(gvk["group"].(string)+"/"+gvk["version"].(string)+"/"+gvk["kind"].(string), "/")
				for _, wanted := range native {
					if kind == wanted {
						a.Kinds[kind] = name
						closure(swagger.Definitions, name, a.Definitions)
					}
				}
			}
		}
		write(t, "kubernetes-"+version, a)
	}
	custom := apis{Kinds: map[string]string{}, Definitions: map[string]any{}}
	var sources []string
	for _, resource := range customResources {
		var crd struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Served bool
					Schema struct {
						OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
					}
				}
			}
		}
		decode(t, filepath.Join(download(t, resource.module), filepath.FromSlash(resource.file)), &crd)
		sources = append(sources, resource.module)
		for _, v := range crd.Spec.Versions {
			if v.Served {
				name := crd.Spec.Group + "." + v.Name + "." + crd.Spec.Names.Kind
				custom.Kinds[crd.Spec.Group+"/"+v.Name+"/"+crd.Spec.Names.Kind] = name
				custom.Definitions[name] = strictSchema(v.Schema.OpenAPIV3Schema, true)
			}
		}
	}
	custom.Source = strings.Join(sources, ", ")
	write(t, "custom", custom)
}

func download(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=go1.27.0", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", module, err, out)
	}
	var info struct{ Dir string }
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	return info.Dir
}

func decode(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// closure adds a definition with all that it refers to.
func closure(all map[string]map[string]any, name string, out map[string]any) {
	if out[name] != nil {
		return
	}
	out[name] = true // a definition may refer to itself
	out[name] = strictSchema(all[name], false)
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				closure(all, strings.TrimPrefix(ref, "#/definitions/"), out)
			}
			for _, item := range v {
				follow(item)
			}
		case []any:
			for _, item := range v {
				follow(item)
			}
		}
	}
	follow(all[name])
}

// strictSchema drops what validation does not need, and closes objects. The
// defaults of custom APIs stay, for TestDefaultsInLists.
func strictSchema(s map[string]any, defaults bool) map[string]any {
	out := map[string]any{}
	for key, value := range s {
		switch key {
		case "description", "title", "x-kubernetes-group-version-kind", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
			"x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key", "x-kubernetes-map-type", "x-kubernetes-unions", "format", "x-kubernetes-embedded-resource":
		case "default":
			if defaults {
				out[key] = value
			}
		case "properties":
			properties := map[string]any{}
			for name, p := range value.(map[string]any) {
				properties[name] = strictSchema(p.(map[string]any), defaults)
			}
			out[key] = properties
		default:
			switch v := value.(type) {
			case map[string]any:
				out[key] = strictSchema(v, defaults)
			case []any:
				list := make([]any, len(v))
				for i, item := range v {
					if m, ok := item.(map[string]any); ok {
						list[i] = strictSchema(m, defaults)
					} else {
						list[i] = item
					}
				}
				out[key] = list
			default:
				out[key] = v
			}
		}
	}
	_, open := s["additionalProperties"]
	if preserved, _ := s["x-kubernetes-preserve-unknown-fields"].(bool); s["properties"] != nil && !open && !preserved {
		out["additionalProperties"] = false
	}
	description, _ := s["description"].(string)
	switch {
	case s["format"] == "int-or-string" || s["x-kubernetes-int-or-string"] == true:
		delete(out, "anyOf")
		out["type"] = []any{"string", "integer"}
	case s["type"] == "string" && strings.HasPrefix(description, "Quantity is a fixed-point"):
		out["type"] = []any{"string", "number"}
	case s["nullable"] == true && s["type"] != nil:
		out["type"] = []any{s["type"], "null"}
	}
	delete(out, "x-kubernetes-int-or-string")
	delete(out, "x-kubernetes-preserve-unknown-fields")
	delete(out, "nullable")
	return out
}

func write(t *testing.T, name string, a apis) {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(a); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("testdata", "schemas"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "schemas", name+".json"), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
