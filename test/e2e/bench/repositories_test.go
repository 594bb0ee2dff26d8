package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// scenario is a repository with an application in it.
type scenario struct {
	name, repo, path string
	// chunk is the size of the chunks that are sent; Argo CD's default unless set.
	chunk int
	// manifests is how many objects a render has.
	manifests int
	// env is that of one of many Applications, which have the same release in namespaces of their own.
	env func(application string) []string
}

// apiVersions is about as long as what a cluster with some operators reports.
var apiVersions = strings.Repeat("apps/v1,apps/v1/Deployment,batch/v1,batch/v1/Job,v1,v1/ConfigMap,v1/Secret,v1/Service,", 20) +
	"autoscaling/v2,autoscaling/v2/HorizontalPodAutoscaler,external-secrets.io/v1,external-secrets.io/v1/ExternalSecret," +
	"monitoring.coreos.com/v1,monitoring.coreos.com/v1/ServiceMonitor,networking.k8s.io/v1,networking.k8s.io/v1/Ingress," +
	"networking.k8s.io/v1/NetworkPolicy,policy/v1,policy/v1/PodDisruptionBudget"

func environ(application, dir, parameters, helmValues, shell string) []string {
	return []string{
		"ARGOCD_APP_NAME=" + application, "ARGOCD_APP_NAMESPACE=" + application, "ARGOCD_APP_PROJECT_NAME=default",
		"ARGOCD_APP_REVISION=0123456789abcdef0123456789abcdef01234567", "ARGOCD_APP_SOURCE_PATH=" + dir,
		"KUBE_VERSION=1.37.2", "KUBE_API_VERSIONS=" + apiVersions, "ARGOCD_APP_PARAMETERS=" + parameters,
		"ARGOCD_ENV_VALUES=" + helmValues, "ARGOCD_ENV_SHELL=" + shell,
	}
}

// production is core-pipeline as prod has it, and what the pipeline of helm and kustomize needs beside it.
func production(tb testing.TB, name string) scenario {
	tb.Helper()
	repo := tb.TempDir()
	for _, dir := range []string{"charts", "argocd/envs"} {
		if err := os.CopyFS(filepath.Join(repo, dir), os.DirFS(filepath.Join(moduleRoot, dir))); err != nil {
			tb.Fatal(err)
		}
	}
	overlay := filepath.Join(repo, "argocd", "envs", "prod")
	if err := os.CopyFS(filepath.Join(repo, "shell"), os.DirFS(overlay)); err != nil {
		tb.Fatal(err)
	}
	nameRendered(tb, filepath.Join(repo, "shell", "kustomization.yaml"))
	const dir, parameters = "charts/core-pipeline", `[{"name":"environment","string":"prod"},{"name":"release-name","string":"core-pipeline"},{"name":"value-files","array":["/argocd/envs/prod/release.yaml"]},{"name":"overlay","string":"/argocd/envs/prod"}]`
	return scenario{name: name, repo: repo, path: dir, env: func(application string) []string {
		return environ(application, dir, parameters, "-f values-prod.yaml -f ../../argocd/envs/prod/release.yaml", "../../shell")
	}}
}

func nameRendered(tb testing.TB, file string) {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append([]byte("resources: [rendered.yaml]\n"), data...), 0o644)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// monorepo is production among that many files.
func monorepo(tb testing.TB, name string, count int) scenario {
	tb.Helper()
	s := production(tb, name)
	random := rand.New(rand.NewPCG(1, 2)) // the same files in every run
	const bytesEach = 9000                // 27 MB in 3,000 files
	for n := range count {
		var text strings.Builder
		for text.Len() < bytesEach {
			// Half of it can be compressed away, as of sources and manifests with digests.
			fmt.Fprintf(&text, "key%d: %016x%016x\n", random.IntN(100), random.Uint64(), random.Uint64())
		}
		write(tb, filepath.Join(s.repo, fmt.Sprintf("teams/team-%02d/service-%03d/file-%04d.yaml", n%20, n%150, n)), text.String())
	}
	return s
}

// wide is a chart of that many objects, and an overlay that patches a third of them.
func wide(tb testing.TB, name string, objects int) scenario {
	tb.Helper()
	repo := tb.TempDir()
	write(tb, filepath.Join(repo, "chart/Chart.yaml"), "apiVersion: v2\nname: wide\nversion: 1.0.0\n")
	write(tb, filepath.Join(repo, "chart/values.yaml"), "replicas: 2\nimage: registry.example.com/wide:1.0\nlabels: {team: a, tier: web}\n")
	for n := range objects / 3 {
		write(tb, filepath.Join(repo, fmt.Sprintf("chart/templates/part-%03d.yaml", n)), strings.ReplaceAll(wideTemplate, "NUMBER", fmt.Sprintf("%03d", n)))
	}
	const patches = "patches:\n- target: {kind: Deployment}\n  patch: |\n    - {op: add, path: /spec/template/spec/priorityClassName, value: high}\nlabels: [{pairs: {env: prod}}]\n"
	write(tb, filepath.Join(repo, "overlay/kustomization.yaml"), patches)
	write(tb, filepath.Join(repo, "shell/kustomization.yaml"), "resources: [rendered.yaml]\n"+patches)
	return scenario{name: name, repo: repo, path: "chart", env: func(application string) []string {
		return environ(application, "chart", `[{"name":"release-name","string":"core-pipeline"},{"name":"overlay","string":"/overlay"}]`, "", "../shell")
	}}
}

const wideTemplate = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-NUMBER
  labels: {{- toYaml .Values.labels | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: wide-NUMBER}}
  template:
    metadata: {labels: {app: wide-NUMBER}}
    spec:
      containers:
      - name: main
        image: {{ .Values.image | quote }}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: http}}
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-NUMBER
  labels: {{- toYaml .Values.labels | nindent 4 }}
spec:
  selector: {app: wide-NUMBER}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-NUMBER
data:
  replicas: {{ .Values.replicas | quote }}
  {{- range $i := until 5 }}
  key-{{ $i }}: {{ printf "%s-%d" $.Release.Name $i | sha256sum }}
  {{- end }}
`

func write(tb testing.TB, name, content string) {
	tb.Helper()
	if err := errors.Join(os.MkdirAll(path.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
		tb.Fatal(err)
	}
}
