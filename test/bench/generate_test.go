package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const repository = "../.."

// peer returns the program in the environment variable.
func peer(b *testing.B, variable string) string {
	b.Helper()
	at := os.Getenv(variable)
	if at == "" {
		if os.Getenv("BENCH_REQUIRED") != "" {
			b.Fatalf("BENCH_REQUIRED is set and %s is not", variable)
		}
		b.Skipf("%s names the program to compare with", variable)
	}
	return at
}

// command is one process; its time counts from the start to the end.
type command struct {
	program string
	args    []string
	dir     string
	env     []string
}

func (c command) run(b *testing.B) []byte {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), c.program, c.args...)
	cmd.Dir, cmd.Env = c.dir, append([]string{"HOME=" + os.TempDir()}, c.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v\n%s", filepath.Base(c.program), err, &stderr)
	}
	return out
}

// BenchmarkGenerate compares one cold `core-pipeline-cmp generate` of prod
// with `helm template` and then `kustomize build` of the same input.
func BenchmarkGenerate(b *testing.B) {
	helm, kustomize := peer(b, "HELM3"), peer(b, "KUSTOMIZE")
	dir := b.TempDir()
	binary := filepath.Join(dir, "core-pipeline-cmp")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/core-pipeline-cmp")
	build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"charts", "argocd"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(repository, name))); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		b.Fatal(err)
	}
	// The peers read a copy of the overlay that names what helm has written.
	overlay := filepath.Join(dir, "peer")
	if err := os.CopyFS(overlay, os.DirFS(filepath.Join(dir, "argocd", "envs", "prod"))); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(overlay, "kustomization.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("resources: [rendered.yaml]\n"), data...), 0o644); err != nil {
		b.Fatal(err)
	}
	ours := command{binary, []string{"generate"}, filepath.Join(dir, "charts", "core-pipeline"), []string{
		"ARGOCD_APP_NAME=core-pipeline", "ARGOCD_APP_NAMESPACE=core-pipeline-prod", "ARGOCD_APP_SOURCE_PATH=charts/core-pipeline",
		`ARGOCD_APP_PARAMETERS=[{"name":"environment","string":"prod"},{"name":"value-files","array":["/argocd/envs/prod/release.yaml"]},{"name":"overlay","string":"/argocd/envs/prod"}]`,
	}}
	template := command{program: helm, dir: dir, args: []string{
		"template", "core-pipeline", "charts/core-pipeline", "--namespace", "core-pipeline-prod", "--include-crds", "--skip-tests", "--kube-version", "1.37.0",
		"-f", "charts/core-pipeline/values-prod.yaml", "-f", "argocd/envs/prod/release.yaml"}}
	patch := command{program: kustomize, dir: dir, args: []string{"build", overlay}}

	var mine, theirs []time.Duration
	for b.Loop() {
		start := time.Now()
		if len(ours.run(b)) == 0 {
			b.Fatal("generate printed nothing")
		}
		mine = append(mine, time.Since(start))
		start = time.Now()
		if err := os.WriteFile(filepath.Join(overlay, "rendered.yaml"), template.run(b), 0o644); err != nil {
			b.Fatal(err)
		}
		patch.run(b)
		theirs = append(theirs, time.Since(start))
	}
	b.ReportMetric(0, "ns/op") // both sides together say nothing
	b.ReportMetric(float64(median(mine).Microseconds())/1000, "generate-ms")
	b.ReportMetric(float64(median(theirs).Microseconds())/1000, "helm+kustomize-ms")
	b.ReportMetric(float64(median(mine))/float64(median(theirs)), "ratio")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
