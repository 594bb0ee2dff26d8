package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const (
	awsFile   = "argocd/clusters/staging-eu-1.yaml"
	caFile    = "argocd/clusters/prod-eu-1.yaml"
	execFile  = "argocd/clusters/prod-eu-2.yaml"
	storeFile = "argocd/clusters/prod-no-1.yaml"
)

// mutants are clusters with one mistake each: an edit, and the line that has
// to name it.
var mutants = []struct {
	name, file, before, after string
	want                      string
}{
	{"malformed YAML", awsFile, "stringData:", "stringData: [", awsFile + ":18: is not YAML"},
	{"a tab", awsFile, "  name: staging-eu-1", "\tname: staging-eu-1", awsFile + ":17: is not YAML"},
	{"another kind", awsFile, "kind: Secret", "kind: ConfigMap", awsFile + ":1: kind: expected Secret of v1 or ExternalSecret of external-secrets.io/v1"},
	{"another version", storeFile, "external-secrets.io/v1", "external-secrets.io/v1beta1", storeFile + ":1: apiVersion: expected"},
	{"not an object", awsFile, "apiVersion: v1", "- apiVersion: v1", awsFile + ":2: is not YAML"},
	{"a duplicate key", awsFile, "    core-pipeline.io/ring: main", "    core-pipeline.io/ring: main\n    core-pipeline.io/ring: canary", awsFile + ":11: metadata.labels.core-pipeline.io/ring: is given twice"},
	{"an unknown field", awsFile, "type: Opaque", "typo: Opaque", awsFile + ":15: typo: unknown"},
	{"data in base64", awsFile, "stringData:", "data:", awsFile + ":16: data: unknown"},
	{"an unknown key of data", awsFile, "  server:", "  url: https://x\n  server:", awsFile + ":18: stringData.url: unknown"},
	{"a label that is a boolean", awsFile, `enabled: "true"`, "enabled: true", awsFile + ":8: metadata.labels.core-pipeline.io/enabled: is not a string for Kubernetes"},
	{"Norway", awsFile, "region: eu", "region: no", awsFile + ":11: metadata.labels.core-pipeline.io/region: is not a string for Kubernetes"},
	{"an alias", awsFile, "name: staging-eu-1", "name: &a staging-eu-1", awsFile + ":17: stringData.name: anchors"},
	{"two documents", awsFile, "type: Opaque", "type: Opaque\n---\nkind: Secret", awsFile + ": one file is one cluster"},
	{"a name without environment", awsFile, "name: staging-eu-1", "name: eu-1", awsFile + ":17: stringData.name: eu-1 does not begin with an environment"},
	{"a name of another environment", awsFile, "\n  name: staging-eu-1", "\n  name: prod-eu-9", awsFile + ":9: metadata.labels.core-pipeline.io/env: is staging, but the name of prod-eu-9 begins with prod"},
	{"the environment alone", awsFile, "name: staging-eu-1", "name: staging-", awsFile + ":17: stringData.name:"},
	{"upper case", awsFile, "\n  name: staging-eu-1", "\n  name: staging-EU-1", awsFile + `:17: stringData.name: "staging-EU-1" is not a name`},
	{"a name that is too long", awsFile, "\n  name: staging-eu-1", "\n  name: staging-" + strings.Repeat("a", 41), awsFile + ":17: stringData.name: the part after staging- is longer"},
	{"no name", awsFile, "\n  name: staging-eu-1", "", awsFile + ":16: stringData.name: is missing"},
	{"another name than the file", awsFile, "\n  name: staging-eu-1", "\n  name: staging-eu-2", awsFile + ":17: stringData.name: is staging-eu-2; name the file staging-eu-2.yaml"},
	{"another name of the Secret", awsFile, "name: cluster-staging-eu-1", "name: staging-eu-1", awsFile + ":4: metadata.name: expected cluster-staging-eu-1"},
	{"another namespace", awsFile, "namespace: argocd", "namespace: default", awsFile + ":5: metadata.namespace: expected argocd"},
	{"label env differs", awsFile, "env: staging", "env: dev", awsFile + ":9: metadata.labels.core-pipeline.io/env: is dev, but"},
	{"label env misspelt", awsFile, "env: staging", "env: stagin", awsFile + `:9: metadata.labels.core-pipeline.io/env: "stagin" is unknown`},
	{"label env missing", awsFile, "\n    core-pipeline.io/env: staging", "", awsFile + ":6: metadata.labels.core-pipeline.io/env: is missing"},
	{"label ring unknown", awsFile, "ring: main", "ring: mian", awsFile + `:10: metadata.labels.core-pipeline.io/ring: "mian" is unknown`},
	{"label ring empty", awsFile, "ring: main", `ring: ""`, awsFile + `:10: metadata.labels.core-pipeline.io/ring: gives core-pipeline-staging-eu-1 an empty`},
	{"label ring missing", awsFile, "\n    core-pipeline.io/ring: main", "", awsFile + ":6: metadata.labels: no ApplicationSet selects"},
	{"label enabled missing", awsFile, "\n    core-pipeline.io/enabled: \"true\"", "", awsFile + ":6: metadata.labels.core-pipeline.io/enabled: is missing"},
	{"label enabled unknown", awsFile, `enabled: "true"`, `enabled: "yes"`, awsFile + `:8: metadata.labels.core-pipeline.io/enabled: "yes" is unknown`},
	{"label of the type missing", awsFile, "\n    argocd.argoproj.io/secret-type: cluster", "", awsFile + ":6: metadata.labels.argocd.argoproj.io/secret-type: is missing"},
	{"label of the project misspelt", awsFile, "io/region: eu", "io/regoin: eu", awsFile + ":11: metadata.labels.core-pipeline.io/regoin: is not a label of this project"},
	{"label value with a space", awsFile, "region: eu", "region: eu west", awsFile + ":11: metadata.labels.core-pipeline.io/region: is not the value of a label"},
	{"no annotations", awsFile, "  annotations:\n    core-pipeline.io/source: argocd/clusters/staging-eu-1.yaml\n    argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm\n", "", awsFile + ":3: metadata.annotations: there is none"},
	{"http", awsFile, "https://", "http://", awsFile + ":18: stringData.server: expected https://"},
	{"a trailing slash", awsFile, "example.com", "example.com/", awsFile + ":18: stringData.server: ends with /"},
	{"a user in the URL", awsFile, "https://", "https://u:p@", awsFile + ":18: stringData.server: holds a credential"},
	{"upper case in the URL", awsFile, "//staging-eu-1.example", "//Staging-eu-1.example", awsFile + ":18: stringData.server: write the host in lower case"},
	{"no URL", awsFile, "https://staging-eu-1.example.com", "staging-eu-1", awsFile + ":18: stringData.server: is not a URL"},
	{"the server of another", awsFile, "//staging-eu-1.example", "//prod-eu-1.example", awsFile + ":18: stringData.server: is that of argocd/clusters/prod-eu-1.yaml"},
	{"no config", awsFile, "config: '{", "shard: '{", awsFile + ":16: stringData.config: is missing"},
	{"config is not JSON", awsFile, "config: '{", "config: '", awsFile + ":19: stringData.config: is not JSON"},
	{"config is YAML", awsFile, "config: '{", "config: 'a: b' #", awsFile + ":19: stringData.config: is not JSON"},
	{"a wrong type in config", awsFile, `"insecure":false`, `"insecure":"false"`, awsFile + ":19: stringData.config.tlsClientConfig.insecure: expected true or false"},
	{"an unknown key in config", awsFile, `"roleARN"`, `"roleArn"`, awsFile + ":19: stringData.config.awsAuthConfig.roleArn: unknown"},
	{"a duplicate key in config", awsFile, `"insecure":false`, `"insecure":false,"insecure":true`, awsFile + ":19: stringData.config.tlsClientConfig.insecure: is given twice"},
	{"insecure", awsFile, `"insecure":false`, `"insecure":true`, awsFile + ":19: stringData.config.tlsClientConfig.insecure: anybody"},
	{"no way to authenticate", awsFile, `,"awsAuthConfig":{"clusterName":"staging-eu-1","roleARN":"arn:aws:iam::111111111111:role/argocd"}`, "", awsFile + ":19: stringData.config: says no way"},
	{"two ways to authenticate", awsFile, `"awsAuthConfig"`, `"execProviderConfig":{"command":"a","apiVersion":"v1"},"awsAuthConfig"`, awsFile + ":19: stringData.config: says more than one"},
	{"a token", awsFile, `"awsAuthConfig"`, `"bearerToken":"hunter2","awsAuthConfig"`, awsFile + ":19: stringData.config.bearerToken: is a credential"},
	{"a password", awsFile, `"awsAuthConfig"`, `"username":"a","password":"hunter2","awsAuthConfig"`, awsFile + ":19: stringData.config.password: is a credential"},
	{"a private key", awsFile, `"insecure":false`, `"insecure":false,"keyData":"aHVudGVyMg=="`, awsFile + ":19: stringData.config.tlsClientConfig.keyData: is a credential"},
	{"a password of the proxy", awsFile, `"awsAuthConfig"`, `"proxyUrl":"http://u:hunter2@proxy","awsAuthConfig"`, awsFile + ":19: stringData.config.proxyUrl: is a credential"},
	{"a token in the environment", execFile, `"CLOUDSDK_CORE_PROJECT"`, `"GCP_TOKEN":"hunter2","CLOUDSDK_CORE_PROJECT"`, execFile + ":19: stringData.config.execProviderConfig.env.GCP_TOKEN: is a credential"},
	{"a token in the arguments", execFile, `"gcp"`, `"gcp","--token=hunter2"`, execFile + ":19: stringData.config.execProviderConfig.args[1]: is a credential"},
	{"a token in a comment", execFile, "type: Opaque", "# token: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl\ntype: Opaque", execFile + ":15: token: looks like a credential"},
	{"a private key in an annotation", execFile, "  annotations:", "  annotations:\n    key: |\n      -----BEGIN EC PRIVATE KEY-----", execFile + ":14: key: looks like a credential"},
	{"a token in an ExternalSecret", storeFile, "{{ .token | toJson }}", `"hunter2"`, storeFile + ":29: spec.target.template.data.config.bearerToken: is a credential"},
	{"a reference that is not fetched", storeFile, "secretKey: token", "secretKey: tokn", storeFile + ":29: spec.target.template.data.config: uses token, which spec.data does not fetch"},
	{"a reference in quotes", storeFile, "{{ .token | toJson }}", `"{{ .token }}"`, storeFile + ":29: spec.target.template.data.config: write {{ .token | toJson }}"},
	{"no store", storeFile, "name: vault", `name: ""`, storeFile + ":12: spec.secretStoreRef.name: is missing"},
	{"another Secret", storeFile, "    name: cluster-prod-no-1", "    name: other", storeFile + ":14: spec.target.name: expected cluster-prod-no-1"},
	{"a broken CA", caFile, `"caData":"LS0t`, `"caData":"LS0`, caFile + ":19: stringData.config.tlsClientConfig.caData: is not"},
	{"a CA that is a key", caFile, `"caData":"`, `"caData":"` + base64.StdEncoding.EncodeToString([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")) + `","x":"`, caFile + ":19: stringData.config.tlsClientConfig.x: unknown"},
	{"OWNER", awsFile, "type: Opaque", "# https://github.com/OWNER/x\ntype: Opaque", awsFile + ":15: OWNER is left over"},
	{"an empty file", awsFile, "", "", awsFile + ": the file is empty"},
}

func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			tree := example(t)
			if m.before == "" {
				tree[m.file] = &fstest.MapFile{Data: []byte(m.after)}
			} else {
				edit(t, tree, m.file, m.before, m.after)
			}
			wantFinding(t, lint(tree), m.want)
		})
	}
}

// wantFinding wants one line that begins with want, all findings to be in one
// line each, and no credential in them.
func wantFinding(t *testing.T, findings Findings, want string) {
	t.Helper()
	found := false
	for _, f := range findings {
		line := f.String()
		found = found || strings.HasPrefix(line, want)
		if strings.ContainsAny(line, "\n\r") || strings.Contains(line, "hunter2") || strings.Contains(line, "eyJ") {
			t.Errorf("%q", line)
		}
	}
	if !found {
		t.Errorf("no finding begins with %q:\n%v", want, findings.Err())
	}
}

func TestCertificates(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	valid := certificate(t, at(2020), at(2030))
	for _, c := range []struct {
		name, want string
		pem        []byte
	}{
		{"expired", "certificate 1 expired on 2025-01-01", certificate(t, at(2020), at(2025))},
		{"the second expired", "certificate 2 expired on 2025-01-01", append(valid, certificate(t, at(2020), at(2025))...)},
		{"not valid yet", "certificate 1 is valid only from 2028-01-01", certificate(t, at(2028), at(2030))},
		{"text", "is not certificates in PEM", []byte("nothing")},
		{"text behind", "is not certificates in PEM", append(valid, "x"...)},
		{"a key", "holds something else", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})},
		{"garbage", "certificate 1 cannot be read", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := example(t)
			text := string(tree[awsFile].Data)
			before, _, _ := strings.Cut(text, "  config:")
			tree[awsFile] = &fstest.MapFile{Data: []byte(before + "  config: '" + config(c.pem) + "'\n")}
			wantFinding(t, lint(tree), awsFile+":19: stringData.config.tlsClientConfig.caData: "+c.want)
		})
	}
	tree := example(t)
	before, _, _ := strings.Cut(string(tree[awsFile].Data), "  config:")
	tree[awsFile] = &fstest.MapFile{Data: []byte(before + "  config: '" + config(valid) + "'\n")}
	wantNone(t, lint(tree))
}

func config(ca []byte) string {
	return `{"awsAuthConfig":{"clusterName":"a"},"tlsClientConfig":{"insecure":false,"caData":"` + base64.StdEncoding.EncodeToString(ca) + `"}}`
}

func certificate(t *testing.T, from, to time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

const (
	prodSet     = "argocd/applicationsets/prod.yaml"
	prodProject = "argocd/projects/prod.yaml"
)

// TestSetsAndProjects: the same for what selects and admits clusters.
func TestSetsAndProjects(t *testing.T) {
	for _, m := range []struct {
		name, file, before, after string
		want                      string
	}{
		{"another generator", prodSet, "    - clusters:", "    - git: {}\n    - clusters:", prodSet + ":14: spec.generators[0].git: unknown, or not supported here; there are clusters"},
		{"values of the generator", prodSet, "        selector:", "        values: {a: b}\n        selector:", prodSet + ":15: spec.generators[0].clusters.values: unknown"},
		{"a patch of the template", prodSet, "  template:\n", "  templatePatch: x\n  template:\n", prodSet + ":32: spec.templatePatch: unknown"},
		{"no selector", "argocd/applicationsets/dev.yaml", "        selector:", "        selectr:", "argocd/applicationsets/dev.yaml:15: spec.generators[0].clusters.selectr: unknown"},
		{"an unknown operator", prodSet, "operator: In,", "operator: Inn,", prodSet + `:15: spec.generators[0].clusters.selector: operator "Inn" is unknown`},
		{"no Go template", prodSet, "goTemplate: true", "goTemplate: false", prodSet + ":11: spec.goTemplate: expected true"},
		{"missing keys are empty", prodSet, "missingkey=error", "missingkey=zero", prodSet + ":12: spec.goTemplateOptions: expected"},
		{"a function that Argo CD does not have", prodSet, "{{ .nameNormalized }}", `{{ env "HOME" }}`, prodSet + `:34: spec.template.metadata.name: is not a template: function "env" not defined`},
		{"a key that is not there", prodSet, "name: '{{ .name }}'", "name: '{{ .nam }}'", prodSet + `:41: spec.template.spec.destination.name: cannot be evaluated for argocd/clusters/prod-eu-1.yaml: map has no entry for key "nam"`},
		{"a label that is not there", prodSet, `"core-pipeline.io/ring" }}`, `"core-pipeline.io/rnig" }}`, caFile + ":10: metadata.labels.core-pipeline.io/ring: gives core-pipeline-prod-eu-1 an empty"},
		{"an empty parameter", prodSet, "array: [/argocd/envs/prod/release.yaml]", `array: ['{{ index .metadata.labels "x" }}']`, caFile + ":6: metadata.labels: parameter value-files"},
		{"a project that is a template", prodSet, "project: core-pipeline-prod", "project: 'core-pipeline-{{ index .metadata.labels \"core-pipeline.io/env\" }}'", prodSet + ":40: spec.template.spec.project: is a template"},
		{"a project that is not there", prodSet, "project: core-pipeline-prod", "project: core-pipeline-prd", prodSet + ":40: spec.template.spec.project: there is no AppProject"},
		{"the project of another", prodSet, "project: core-pipeline-prod", "project: core-pipeline-dev", caFile + ":17: stringData.name: AppProject core-pipeline-dev does not admit"},
		{"a destination by server", prodSet, "destination: {name: '{{ .name }}'", "destination: {server: '{{ .server }}'", prodSet + ":41: spec.template.spec.destination.server: projects and sync windows"},
		{"another namespace", prodSet, "namespace: core-pipeline-prod}", "namespace: default}", caFile + ":17: stringData.name: AppProject core-pipeline-prod does not admit"},
		{"another repository", prodSet, "repoURL: https://github.com/example/", "repoURL: https://github.com/other/", caFile + ":17: stringData.name: AppProject core-pipeline-prod does not admit"},
		{"a selector for all environments", "argocd/applicationsets/dev.yaml", "            core-pipeline.io/env: dev\n", "", caFile + ":6: metadata.labels: more than one ApplicationSet"},
		{"a selector without enabled", prodSet, "            core-pipeline.io/enabled: \"true\"\n", "", ""},
		{"a retry that takes the newest commit", prodSet, "          limit: 5\n", "          limit: 5\n          refresh: true\n", prodSet + ":61: spec.template.spec.syncPolicy.retry.refresh: lets a retry take a commit that the steps before have not; leave it out"},
		{"a step that is missing", prodSet, "        - matchExpressions: [{key: core-pipeline.io/ring, operator: In, values: [canary]}]\n          maxUpdate: 1\n", "", caFile + ":10: metadata.labels.core-pipeline.io/ring: core-pipeline-prod-eu-1 is in 0 steps"},
		{"a long release name", prodSet, "string: core-pipeline}", "string: " + strings.Repeat("a", 54) + "}", caFile + ":17: stringData.name: gives a Helm release whose name"},
		{"an unknown policy", prodSet, "applicationsSync: sync", "applicationsSync: snyc", prodSet + ":30: spec.syncPolicy.applicationsSync: is unknown"},
		{"an unknown field of the template", prodSet, "revisionHistoryLimit", "revisonHistoryLimit", prodSet + ":54: spec.template.spec.revisonHistoryLimit: unknown"},
		{"a destination by name or server", prodProject, "{name: 'prod-*', n", "{name: 'prod-*', server: '*', n", prodProject + ":17: spec.destinations[0]: has a name and a server"},
		{"a destination that is denied", prodProject, "'prod-*', n", "'!dev-*', n", prodProject + ":17: spec.destinations[0].name: begins with !"},
		{"a project for all", "argocd/projects/dev.yaml", "{name: 'dev-*', namespace: core-pipeline-dev}", "{name: '*', namespace: '*'}", "argocd/projects/dev.yaml:17: spec.destinations[0]: admits core-pipeline-prod-eu-1"},
		{"a time zone", prodProject, "Europe/Berlin", "Europe/Berlni", prodProject + ":73: spec.syncWindows[0].timeZone: is not a time zone"},
		{"cron", prodProject, "'0 16 * * 5'", "'0 16 * * 8'", prodProject + ":71: spec.syncWindows[0].schedule: is not five fields"},
		{"six fields", prodProject, "'0 16 * * 5'", "'0 0 16 * * 5'", prodProject + ":71: spec.syncWindows[0].schedule: is not five fields"},
		{"a duration", prodProject, "64h", "3d", prodProject + ":72: spec.syncWindows[0].duration: is not a duration"},
		{"a kind of window", prodProject, "kind: deny", "kind: denied", prodProject + ":69: spec.syncWindows[0].kind: expected allow or deny"},
		{"a window for nothing", prodProject, "clusters: ['prod-*']", "clusters: []", prodProject + ":69: spec.syncWindows[0]: names no"},
		{"a window for other clusters", prodProject, "clusters: ['prod-*']", "clusters: ['production-*']", prodProject + ":69: spec.syncWindows[0]: applies to none of the Applications of the project, such as core-pipeline-prod-eu-1 in cluster prod-eu-1"},
		{"a window for a server", prodProject, "clusters: ['prod-*']", "clusters: ['https://*']", prodProject + ":69: spec.syncWindows[0]: applies to none"},
		{"a window for clusters and other namespaces", prodProject, "clusters: ['prod-*']", "clusters: ['prod-*']\n      namespaces: [other]\n      andOperator: true", prodProject + ":69: spec.syncWindows[0]: applies to none"},
		{"paths beside a window", prodSet, "  template:\n    metadata:\n", "  template:\n    metadata:\n      annotations: {argocd.argoproj.io/manifest-generate-paths: .}\n", prodSet + ":34: spec.template.metadata.annotations.argocd.argoproj.io/manifest-generate-paths: what a sync window held back"},
		{"a policy of five parts", prodProject, "logs, get, core-pipeline-prod/*, allow", "logs, get, core-pipeline-prod/*", prodProject + ":48: spec.roles[0].policies[1]: expected p, subject"},
		{"a policy of a group", prodProject, "p, proj:core-pipeline-prod:viewer, logs", "g, proj:core-pipeline-prod:viewer, logs", prodProject + ":48: spec.roles[0].policies[1]: expected p, subject"},
		{"a policy for another project", prodProject, "proj:core-pipeline-prod:viewer, logs", "proj:core-pipeline-dev:viewer, logs", prodProject + ":48: spec.roles[0].policies[1]: expected the subject proj:core-pipeline-prod:viewer; Argo CD would ignore all roles"},
		{"a policy for another role", prodProject, "proj:core-pipeline-prod:viewer, logs", "proj:core-pipeline-prod:oncall, logs", prodProject + ":48: spec.roles[0].policies[1]: expected the subject proj:core-pipeline-prod:viewer"},
		{"a resource that no project has", prodProject, "viewer, logs", "viewer, accounts", prodProject + ":48: spec.roles[0].policies[1]: expected one of the resources"},
		{"an action that does not exist", prodProject, "logs, get", "logs, read", prodProject + ":48: spec.roles[0].policies[1]: expected one of the actions"},
		{"an action of nothing", prodProject, "action/apps/Deployment/restart", "action/", prodProject + ":65: spec.roles[2].policies[3]: expected one of the actions"},
		{"objects of another project", prodProject, "logs, get, core-pipeline-prod/*", "logs, get, core-pipeline-dev/*", prodProject + ":48: spec.roles[0].policies[1]: expected an object of the project, such as core-pipeline-prod/*"},
		{"objects of all projects", prodProject, "logs, get, core-pipeline-prod/*", "logs, get, '*'", prodProject + ":48: spec.roles[0].policies[1]: expected an object of the project"},
		{"an effect that does not exist", prodProject, "logs, get, core-pipeline-prod/*, allow", "logs, get, core-pipeline-prod/*, permit", prodProject + ":48: spec.roles[0].policies[1]: expected allow or deny"},
		{"a policy twice", prodProject, "viewer, logs, get", "viewer, applications, get", prodProject + ":48: spec.roles[0].policies[1]: is there twice"},
		{"a role twice", prodProject, "- name: deployer", "- name: viewer", prodProject + ":49: spec.roles[1].name: is that of another role"},
		{"a role with a space", prodProject, "- name: oncall", "- name: on call", prodProject + ":58: spec.roles[2].name: expected letters"},
		{"a group with a comma", prodProject, "[core-pipeline-oncall]", "['a, b']", prodProject + ":60: spec.roles[2].groups[0]: has a comma"},
		{"a group that is empty", prodProject, "[core-pipeline-oncall]", "['']", prodProject + ":60: spec.roles[2].groups[0]: is empty"},
		{"a group with a space", prodProject, "[core-pipeline-oncall]", "[' a']", prodProject + ":60: spec.roles[2].groups[0]: begins or ends"},
		{"a group with a quote", prodProject, "[core-pipeline-oncall]", "['a\"b']", prodProject + ":60: spec.roles[2].groups[0]: has a quote"},
		{"a group twice", prodProject, "[core-pipeline-oncall]", "[a, a]", prodProject + ":60: spec.roles[2].groups[1]: is there twice"},
		{"OWNER", prodProject, "github.com/example", "github.com/OWNER", prodProject + ":15: sourceRepos: OWNER is left over"},
	} {
		t.Run(m.name, func(t *testing.T) {
			tree := example(t)
			edit(t, tree, m.file, m.before, m.after)
			if m.want == "" {
				edit(t, tree, caFile, `enabled: "true"`, `enabled: "false"`)
				m.want = caFile + ":8: metadata.labels.core-pipeline.io/enabled: is not true, and ApplicationSet core-pipeline-prod selects"
			}
			wantFinding(t, lint(tree), m.want)
		})
	}
}

func TestFiles(t *testing.T) {
	for name, want := range map[string]string{
		"argocd/clusters/prod-eu-3.yml":                       "nothing reads this file; name it .yaml",
		"argocd/clusters/prod/prod-eu-3.yaml":                 "argocd/clusters/prod: nothing reads directories here",
		"charts/core-pipeline/.argocd-source.yaml":            "Argo CD merges this over the source",
		"charts/core-pipeline/.argocd-source-core-x-dev.yaml": "Argo CD merges this over the source",
	} {
		tree := example(t)
		tree[name] = &fstest.MapFile{Data: []byte("a: b\n")}
		if !strings.Contains(want, ": ") {
			want = name + ": " + want
		}
		wantFinding(t, lint(tree), want)
	}
	findings := lint(fstest.MapFS{})
	wantFinding(t, findings, "argocd/applicationsets: no such directory")
	wantFinding(t, findings, "argocd/projects: no such directory")
}
