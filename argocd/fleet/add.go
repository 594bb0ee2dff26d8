package fleet

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	yamlnode "go.yaml.in/yaml/v4"
)

// The ways in which Argo CD can authenticate to a new cluster.
const (
	AuthAWS            = "aws"
	AuthExec           = "exec"
	AuthExternalSecret = "external-secret"
	AuthInCluster      = "in-cluster"
)

// NewCluster describes a cluster that is to be added. It holds no credential:
// Argo CD gets one from AWS, from a program, or from a store.
type NewCluster struct {
	Name   string
	Ring   string
	Region string
	Server string
	// CA holds the certificates of the server's authority in PEM; empty means
	// those of the system.
	CA   []byte
	Auth Auth
}

// Auth is the way to authenticate. Only the fields of its Kind are used.
type Auth struct {
	Kind string
	// For AuthAWS. ClusterName defaults to the cluster's name.
	ClusterName, RoleARN, Profile string
	// For AuthExec.
	Command, APIVersion string
	Args                []string
	Env                 map[string]string
	// For AuthExternalSecret: a bearer token in a store.
	Store, StoreKind, RemoteKey, RemoteProperty string
}

// Add returns the file that declares the cluster, and what the fleet makes of
// it. Findings are those that the fleet did not have without it.
func (f *Fleet) Add(n NewCluster, options Options) (text []byte, apps []*Application, findings Findings) {
	file := path.Join(f.paths.Clusters, n.Name+".yaml")
	before := f.Lint(options)
	text = f.write(n, file)
	c, found := readCluster(file, text)
	if c == nil {
		return nil, nil, found
	}
	for _, other := range f.clusters {
		if other.File == file {
			return nil, nil, Findings{{File: file, Text: "exists already; edit it, or choose another name"}}
		}
	}
	with := &Fleet{paths: f.paths, tree: f.tree, sets: f.sets, projects: f.projects}
	with.clusters = append(append(with.clusters, f.clusters...), c)
	findings = found.And(with.Lint(options).Without(before))
	all, _ := with.Applications()
	for _, a := range all {
		if a.cluster == c {
			apps = append(apps, a)
		}
	}
	return text, apps, findings
}

// Explain says why Argo CD generates and admits an Application.
func (f *Fleet) Explain(a *Application) string {
	var because []string
	selector := a.set.Spec.Generators[a.generator].Clusters.Selector
	for _, label := range []string{LabelEnabled, LabelEnvironment, LabelRing, LabelRegion} {
		if selector.mentions(label) {
			because = append(because, label+"="+a.cluster.Labels[label])
		}
	}
	lines := []string{
		"Application " + a.Name(),
		fmt.Sprintf("  ApplicationSet %s selects the cluster by %s", a.Set, strings.Join(because, ", ")),
	}
	for _, p := range f.projects {
		if p.Metadata.Name != a.Project() {
			continue
		}
		if index, ok := p.admits(a); ok {
			d := p.Spec.Destinations[index]
			lines = append(lines, fmt.Sprintf("  AppProject %s admits it: clusters named %s, namespace %s, repository %s", a.Project(), d.Name, a.Namespace(), a.repoURL()))
		}
	}
	return strings.Join(lines, "\n")
}

func (l labelSelector) mentions(label string) bool {
	if _, ok := l.MatchLabels[label]; ok {
		return true
	}
	for _, e := range l.MatchExpressions {
		if e.Key == label {
			return true
		}
	}
	return false
}

// config is the JSON of the connection.
func (n NewCluster) config() string {
	config := clusterConfig{TLSClientConfig: tlsClientConfig{CAData: base64.StdEncoding.EncodeToString(n.CA)}}
	switch n.Auth.Kind {
	case AuthAWS:
		name := n.Auth.ClusterName
		if name == "" {
			name = n.Name
		}
		config.AWSAuthConfig = &awsAuthConfig{ClusterName: name, RoleARN: n.Auth.RoleARN, Profile: n.Auth.Profile}
	case AuthExec:
		config.ExecProviderConfig = &execProviderConfig{Command: n.Auth.Command, Args: n.Auth.Args, Env: n.Auth.Env, APIVersion: n.Auth.APIVersion}
	case AuthExternalSecret:
		config.BearerToken = placeholder
	}
	data, err := json.Marshal(config) //nolint:gosec // the credential is a placeholder
	if err != nil {
		return "" // a struct of strings is always encoded
	}
	return strings.ReplaceAll(string(data), `"`+placeholder+`"`, "{{ .token | toJson }}")
}

// write makes the file in the order in which people read it.
func (f *Fleet) write(n NewCluster, file string) []byte {
	namespace := "argocd"
	if len(f.sets) > 0 {
		namespace = f.sets[0].Metadata.Namespace
	}
	name := "cluster-" + n.Name
	metadata := []string{
		"labels:",
		"  " + labelSecretType + ": cluster",
		"  " + LabelEnabled + `: "true"`,
		"  " + LabelEnvironment + ": " + quote(environmentOf(n.Name, f.Environments())),
		"  " + LabelRing + ": " + quote(n.Ring),
	}
	if n.Region != "" {
		metadata = append(metadata, "  "+LabelRegion+": "+quote(n.Region))
	}
	metadata = append(metadata, "annotations:", "  "+AnnotationSource+": "+quote(file))
	// Nobody removes a cluster by mistake: Argo CD waits until somebody agrees.
	confirm := "  argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm"
	data := []string{
		"name: " + quote(n.Name),
		"server: " + quote(n.Server),
		"config: '" + strings.ReplaceAll(n.config(), "'", "''") + "'",
	}
	var lines []string
	if n.Auth.Kind == AuthExternalSecret {
		remote := "key: " + quote(n.Auth.RemoteKey)
		if n.Auth.RemoteProperty != "" {
			remote += "\n        property: " + quote(n.Auth.RemoteProperty)
		}
		lines = append(lines,
			"apiVersion: external-secrets.io/v1", "kind: ExternalSecret",
			"metadata:", "  name: "+quote(name), "  namespace: "+quote(namespace),
			"  annotations:", "  "+confirm,
			"spec:", "  refreshInterval: 1h",
			"  secretStoreRef:", "    kind: "+quote(n.Auth.StoreKind), "    name: "+quote(n.Auth.Store),
			"  target:", "    name: "+quote(name), "    template:", "      type: Opaque", "      metadata:")
		lines = append(append(lines, indent(8, metadata)...), "      data:")
		lines = append(append(lines, indent(8, data)...),
			"  data:", "    - secretKey: token", "      remoteRef:", "        "+remote)
	} else {
		lines = append(lines, "apiVersion: v1", "kind: Secret", "metadata:", "  name: "+quote(name), "  namespace: "+quote(namespace))
		lines = append(append(lines, indent(2, append(metadata, confirm))...), "type: Opaque", "stringData:")
		lines = append(lines, indent(2, data)...)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func indent(by int, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.Repeat(" ", by) + line
	}
	return out
}

var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9./_-]*(:[A-Za-z0-9./_-]+)*$`)

// quote writes a scalar that is a string for every reader.
func quote(s string) string {
	if plain.MatchString(s) && !ambiguous(&yamlnode.Node{Kind: yamlnode.ScalarNode, Value: s}) {
		return s
	}
	data, err := json.Marshal(s)
	if err != nil {
		return `""` // a string is always encoded
	}
	return string(data)
}
