package addons

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// needed skips what takes minutes to build, unless the whole of the end-to-end tests is asked for.
func needed(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E_REQUIRED") == "" {
		t.Skip("builds servers for minutes; set E2E_REQUIRED=1")
	}
}

// Every program is built, starts, and says the version that is pinned, where it says one.
func TestPrograms(t *testing.T) {
	needed(t)
	for _, c := range []struct {
		module
		program string
		args    []string
		want    string
	}{
		{MetricsServer, "metrics-server", []string{"--help"}, "--kubelet-preferred-address-types"},
		{Prometheus, "prometheus", []string{"--version"}, "version 3.16.0"},
		{PrometheusOperator, "operator", []string{"--version"}, "version 0.85.0"},
		{PrometheusOperator, "prometheus-config-reloader", []string{"--version"}, "version 0.85.0"},
		{Traefik, "traefik", []string{"version"}, "3.5.3"},
		{ExternalSecrets, "external-secrets", []string{"--help"}, "--enable-cluster-store-reconciler"},
	} {
		t.Run(c.program, func(t *testing.T) {
			built, err := c.Programs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), built[c.program], c.args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s %v: %v, want %q in:\n%.2000s", c.program, c.args, err, c.want, out)
			}
		})
	}
}
