package plugin_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/core-pipeline/core-pipeline-cmp"

// The packages that each package of the project may import directly: its own
// and the heavy ones of others. The standard library is free for all but the
// packages in forbidden.
var allowed = map[string][]string{
	"plugin/source":              {"github.com/klauspost/compress/gzip"},
	"plugin/manifest":            {"sigs.k8s.io/yaml"},
	"plugin/values":              {"sigs.k8s.io/yaml", "go.yaml.in/yaml/v4"},
	"plugin/watchdog":            {},
	"plugin/engine":              {"github.com/Masterminds/sprig/v3", "github.com/BurntSushi/toml", "github.com/gobwas/glob", "sigs.k8s.io/yaml"},
	"plugin/helm":                {"plugin/engine", "plugin/manifest", "helm.sh/helm/v3", "github.com/santhosh-tekuri/jsonschema/v6"},
	"plugin/kustomize":           {"plugin/manifest", "sigs.k8s.io/kustomize/api", "sigs.k8s.io/kustomize/kyaml", "sigs.k8s.io/yaml"},
	"plugin":                     {"plugin/values", "plugin/helm", "plugin/kustomize", "plugin/manifest"},
	"plugin/observe":             {},
	"plugin/telemetry":           {"github.com/prometheus/client_golang", "go.opentelemetry.io/otel"},
	"plugin/worker":              {"plugin", "plugin/source", "plugin/manifest", "plugin/observe", "plugin/telemetry", "plugin/watchdog"},
	"plugin/cache":               {"plugin/observe", "plugin/telemetry", "plugin/worker"},
	"plugin/cmpserver":           {"plugin", "plugin/source", "plugin/telemetry", "plugin/worker", "plugin/cmpserver/cmppb", "google.golang.org/grpc", "google.golang.org/protobuf"},
	"plugin/cmpserver/cmppb":     {"google.golang.org/grpc", "google.golang.org/protobuf"},
	"plugin/cmpserver/cmptest":   {"plugin/cmpserver/cmppb", "google.golang.org/grpc"},
	"argocd/fleet":               {"sigs.k8s.io/yaml", "go.yaml.in/yaml/v4", "k8s.io/apimachinery", "github.com/Masterminds/sprig/v3", "github.com/gobwas/glob", "github.com/robfig/cron/v3"},
	"argocd/release":             {"internal/yamledit", "github.com/Masterminds/semver/v3"},
	"internal/yamledit":          {"sigs.k8s.io/yaml", "go.yaml.in/yaml/v4"},
	"internal/chartversion":      {"internal/yamledit", "sigs.k8s.io/yaml", "go.yaml.in/yaml/v4", "github.com/Masterminds/semver/v3"},
	"internal/checkout":          {"github.com/go-git/go-git/v5/plumbing", "github.com/go-git/go-git/v5/storage/filesystem", "github.com/go-git/go-billy/v5"},
	"cmd/internal/edge":          {"plugin", "plugin/source", "plugin/watchdog", "github.com/urfave/cli/v2", "k8s.io/apimachinery/pkg/api/resource"},
	"cmd/internal/supervise":     {},
	"cmd/core-pipeline-cmp":      {"cmd/internal/edge", "cmd/internal/supervise", "plugin", "plugin/source", "plugin/manifest", "plugin/watchdog", "plugin/worker", "plugin/cache", "plugin/cmpserver", "plugin/telemetry", "github.com/urfave/cli/v2", "google.golang.org/grpc"},
	"cmd/core-pipeline":          {"argocd/fleet", "argocd/release", "internal/chartversion", "internal/checkout", "cmd/internal/edge", "cmd/internal/supervise", "plugin", "plugin/values", "plugin/manifest", "plugin/watchdog", "github.com/urfave/cli/v2"},
	"cmd/internal/edge/edgetest": {"github.com/rogpeppe/go-internal/testscript"},
	"test/parity":                {},
	"test/chart":                 {},
	"test/image":                 {},
	"test/monitoring":            {},
	"test/argocd":                {},
	"test/bench":                 {},
	"test/serve":                 {},
	"test/workflows":             {},
	"test/docs":                  {},
}

// The standard library's doors to the outside, which no stage may open.
var forbidden = []string{"net", "net/http", "os", "os/exec", "plugin", "syscall", "unsafe"}

// doors lists who may import which of them.
var doors = map[string][]string{
	"plugin/source":              {"os"},
	"plugin/watchdog":            {"os", "syscall"},
	"plugin/worker":              {"os", "os/exec", "syscall"},
	"plugin/telemetry":           {"net/http"},
	"plugin/cmpserver/cmppb":     {"unsafe"},
	"plugin/cmpserver/cmptest":   {"os"},
	"internal/checkout":          {"os"},
	"cmd/internal/edge":          {"os", "syscall", "net/http"},
	"cmd/internal/supervise":     {"os", "syscall"},
	"cmd/core-pipeline-cmp":      {"os", "net", "net/http", "syscall"},
	"cmd/internal/edge/edgetest": {"os", "os/exec"},
	"cmd/core-pipeline":          {"os"},
}

func golist(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestDependencyDirection keeps every package to what doc.go of its
// neighbours promises. An import that is not in the list is a decision, not
// an accident.
func TestDependencyDirection(t *testing.T) {
	for _, line := range golist(t, "-f", `{{.ImportPath}}={{join .Imports ","}}`, module+"/...") {
		path, imports, _ := strings.Cut(line, "=")
		name := strings.TrimPrefix(path, module+"/")
		list, ok := allowed[name]
		if !ok {
			t.Errorf("%s: a new package; say in this test what it may import", name)
			continue
		}
		for imported := range strings.SplitSeq(imports, ",") {
			own := strings.TrimPrefix(imported, module+"/")
			first, _, _ := strings.Cut(imported, "/")
			switch {
			case imported == "":
			case !strings.Contains(first, "."):
				if slices.Contains(forbidden, imported) && !slices.Contains(doors[name], imported) {
					t.Errorf("%s imports %s, a door to the outside", name, imported)
				}
			case !slices.ContainsFunc(list, func(a string) bool { return own == a || strings.HasPrefix(imported, a+"/") || imported == a }):
				t.Errorf("%s imports %s, which is not on its list", name, imported)
			}
		}
	}
}

// TestSidecarLinksOnlyWhatItNeeds: what only people's verbs need must not be
// in the program that stands under attack.
func TestSidecarLinksOnlyWhatItNeeds(t *testing.T) {
	linked := golist(t, "-deps", module+"/cmd/core-pipeline-cmp")
	for _, banned := range []string{
		module + "/cmd/core-pipeline", module + "/argocd", module + "/internal/checkout", module + "/internal/chartversion", "github.com/go-git", "github.com/robfig/cron",
		"k8s.io/kubectl", "helm.sh/helm/v3/pkg/action", "helm.sh/helm/v3/pkg/registry", "helm.sh/helm/v3/pkg/repo",
		"helm.sh/helm/v3/pkg/getter", "helm.sh/helm/v3/pkg/kube", "helm.sh/helm/v3/pkg/cli",
		"net/http/pprof", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "testing",
	} {
		for _, path := range linked {
			if path == banned || strings.HasPrefix(path, banned+"/") {
				t.Errorf("core-pipeline-cmp links %s", path)
			}
		}
	}
	if !slices.Contains(linked, module+"/plugin") {
		t.Fatal("the list of linked packages is not what this test takes it for")
	}
}

// TestReadmeNamesPackages holds the README's list of packages to what there is.
func TestReadmeNamesPackages(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range golist(t, module+"/plugin/...", module+"/argocd/...", module+"/internal/...", module+"/cmd/internal/...") {
		name := strings.TrimPrefix(path, module+"/")
		if name == "plugin/cmpserver/cmppb" || name == "plugin/cmpserver/cmptest" || name == "cmd/internal/edge/edgetest" {
			continue // generated, and for tests
		}
		if !strings.Contains(string(readme), "("+name+"/doc.go)") {
			t.Errorf("the README does not name %s", name)
		}
	}
}
