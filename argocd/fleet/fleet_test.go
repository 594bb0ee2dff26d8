package fleet

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = Options{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}

// example is the fleet of testdata, to be changed.
func example(t testing.TB) fstest.MapFS {
	t.Helper()
	tree := fstest.MapFS{}
	root := os.DirFS("testdata/fleet")
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		tree[name] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func ca(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lint(tree fs.FS) Findings {
	f, findings := Load(tree, DefaultPaths())
	return findings.And(f.Lint(now))
}

func wantNone(t *testing.T, findings Findings) {
	t.Helper()
	for _, f := range findings {
		t.Errorf("false alarm: %s", f)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	at := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(at, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// examples are the clusters of testdata/fleet.
func examples(t testing.TB) []NewCluster {
	aws := Auth{Kind: AuthAWS, RoleARN: "arn:aws:iam::111111111111:role/argocd"}
	return []NewCluster{
		{Name: "dev-local", Ring: "main", Server: InCluster, Auth: Auth{Kind: AuthInCluster}},
		{Name: "staging-eu-1", Ring: "main", Region: "eu", Server: "https://staging-eu-1.example.com", Auth: aws},
		{Name: "prod-eu-1", Ring: "canary", Region: "eu", Server: "https://prod-eu-1.example.com", Auth: aws, CA: ca(t)},
		{Name: "prod-eu-2", Ring: "main", Region: "eu", Server: "https://prod-eu-2.example.com:6443", Auth: Auth{
			Kind: AuthExec, Command: "argocd-k8s-auth", Args: []string{"gcp"}, APIVersion: "client.authentication.k8s.io/v1beta1",
			Env: map[string]string{"CLOUDSDK_CORE_PROJECT": "example"},
		}},
		{Name: "prod-no-1", Ring: "main", Region: "no", Server: "https://192.0.2.10:6443", CA: ca(t), Auth: Auth{
			Kind: AuthExternalSecret, Store: "vault", StoreKind: "ClusterSecretStore", RemoteKey: "argocd/prod-no-1", RemoteProperty: "token",
		}},
	}
}

func TestAdd(t *testing.T) {
	tree := example(t)
	for _, n := range examples(t) {
		delete(tree, "argocd/clusters/"+n.Name+".yaml")
	}
	var explained strings.Builder
	for _, n := range examples(t) {
		f, findings := Load(tree, DefaultPaths())
		wantNone(t, findings)
		text, apps, findings := f.Add(n, now)
		wantNone(t, findings)
		golden(t, "fleet/argocd/clusters/"+n.Name+".yaml", string(text))
		for _, a := range apps {
			explained.WriteString(f.Explain(a) + "\n")
		}
		tree["argocd/clusters/"+n.Name+".yaml"] = &fstest.MapFile{Data: text}
	}
	golden(t, "explained.txt", explained.String())
}

func TestValidFleets(t *testing.T) {
	wantNone(t, lint(example(t)))
	for name, change := range map[string]func(fstest.MapFS){
		"no clusters": func(tree fstest.MapFS) {
			maps.DeleteFunc(tree, func(name string, _ *fstest.MapFile) bool { return strings.HasPrefix(name, "argocd/clusters/") })
		},
		"a cluster that is not enabled": func(tree fstest.MapFS) {
			edit(t, tree, "argocd/clusters/prod-eu-2.yaml", `enabled: "true"`, `enabled: "false"`)
		},
		"comments, a document marker and other files": func(tree fstest.MapFS) {
			edit(t, tree, "argocd/clusters/prod-eu-2.yaml", "apiVersion: v1\n", "# the second\n---\napiVersion: v1\n")
			tree["argocd/clusters/README.md"] = &fstest.MapFile{Data: []byte("# Clusters of OWNER\n")}
			tree["argocd/clusters/kustomization.yaml"] = &fstest.MapFile{Data: []byte("resources: []\n")}
		},
		"further labels, annotations and data": func(tree fstest.MapFS) {
			edit(t, tree, "argocd/clusters/prod-eu-1.yaml", "core-pipeline.io/region: eu", "core-pipeline.io/region: eu\n    example.com/team: payments")
			edit(t, tree, "argocd/clusters/prod-eu-1.yaml", "  annotations:", "  annotations:\n    argocd.argoproj.io/skip-reconcile: \"true\"")
			edit(t, tree, "argocd/clusters/prod-eu-1.yaml", "stringData:", "stringData:\n  namespaces: a,b\n  clusterResources: \"true\"\n  shard: \"1\"")
		},
		"keys in another order and flow style": func(tree fstest.MapFS) {
			tree["argocd/clusters/dev-local.yaml"] = &fstest.MapFile{Data: []byte(`{kind: Secret, apiVersion: v1, stringData: {config: '{"tlsClientConfig":{"insecure":false}}', server: "https://kubernetes.default.svc", name: dev-local},
 metadata: {namespace: argocd, name: cluster-dev-local, annotations: {a: b}, labels: {argocd.argoproj.io/secret-type: cluster, core-pipeline.io/enabled: "true", core-pipeline.io/env: dev, core-pipeline.io/ring: main}}}`)}
		},
		"the longest name": func(tree fstest.MapFS) {
			f, _ := Load(tree, DefaultPaths())
			name := "staging-" + strings.Repeat("a", maxName)
			text, _, findings := f.Add(NewCluster{Name: name, Ring: "main", Server: "https://a.example.com", Auth: Auth{Kind: AuthAWS}}, now)
			wantNone(t, findings)
			tree["argocd/clusters/"+name+".yaml"] = &fstest.MapFile{Data: text}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := example(t)
			change(tree)
			wantNone(t, lint(tree))
		})
	}
}

func edit(t testing.TB, tree fstest.MapFS, file, before, after string) {
	t.Helper()
	text := string(tree[file].Data)
	if !strings.Contains(text, before) {
		t.Fatalf("%s has no %q", file, before)
	}
	tree[file] = &fstest.MapFile{Data: []byte(strings.Replace(text, before, after, 1))}
}

func TestApplications(t *testing.T) {
	f, findings := Load(example(t), DefaultPaths())
	wantNone(t, findings)
	apps, findings := f.Applications()
	wantNone(t, findings)
	var table strings.Builder
	for _, a := range apps {
		fields, err := a.Fields()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&table, "%s %s %s %s %v\n", a.Name(), a.Set, a.Project(), a.Cluster, fields["metadata"])
	}
	golden(t, "applications.txt", table.String())
}

func TestDisable(t *testing.T) {
	for _, n := range examples(t) {
		tree := example(t)
		file := "argocd/clusters/" + n.Name + ".yaml"
		f, _ := Load(tree, DefaultPaths())
		c := f.Cluster(n.Name)
		before := string(tree[file].Data)
		after, err := c.Disable([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(before, `enabled: "true"`, `enabled: "false"`, 1); string(after) != want {
			t.Errorf("%s: %s", n.Name, cmp.Diff(want, string(after)))
		}
		tree[file] = &fstest.MapFile{Data: after}
		wantNone(t, lint(tree))
	}
	f, _ := Load(example(t), DefaultPaths())
	golden(t, "steps.txt", strings.Join(append(f.Steps(f.Cluster("prod-eu-1")), f.Steps(f.Cluster("dev-local"))...), "\n")+"\n")
	if files := f.ValuesFiles(f.Cluster("prod-eu-1")); !cmp.Equal(files, []string{"argocd/envs/prod/clusters/prod-eu-1.yaml"}) {
		t.Errorf("values files of the cluster: %v", files)
	}
}
