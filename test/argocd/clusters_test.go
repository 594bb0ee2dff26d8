package argocd

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var clusterName = regexp.MustCompile(`^(dev|staging|prod)-[a-z0-9-]{1,40}$`)

// TestT01Clusters holds the examples to the labels that route them. Their
// environment is also in their name, which is what projects look at.
func TestT01Clusters(t *testing.T) {
	seen := map[string]bool{}
	for name, c := range clusters(t) {
		labels := c.Metadata.Labels
		environment, _, _ := strings.Cut(name, "-")
		if !clusterName.MatchString(name) || labels["core-pipeline.io/env"] != environment {
			t.Errorf("%s has the environment %s", name, labels["core-pipeline.io/env"])
		}
		if labels["argocd.argoproj.io/secret-type"] != "cluster" || labels["core-pipeline.io/enabled"] != "true" ||
			!slices.Contains([]string{"canary", "main"}, labels["core-pipeline.io/ring"]) || labels["core-pipeline.io/region"] == "" || len(labels) != 5 {
			t.Errorf("%s has the labels %v", name, labels)
		}
		seen[environment] = true
	}
	for _, e := range environments {
		if !seen[e] {
			t.Errorf("%s has no example", e)
		}
	}
}

// TestT02ClusterAnnotations: of a Secret without annotations, a template that
// names one breaks the whole ApplicationSet.
func TestT02ClusterAnnotations(t *testing.T) {
	for name, c := range clusters(t) {
		if c.Metadata.Annotations["argocd.argoproj.io/sync-options"] != "Prune=confirm,Delete=confirm" {
			t.Errorf("%s has the annotations %v", name, c.Metadata.Annotations)
		}
	}
	for _, e := range environments {
		if strings.Contains(string(read(t, "applicationsets/"+e+".yaml")), ".metadata.annotations") {
			t.Errorf("the template of %s reads annotations", e)
		}
	}
}

// TestT03ServersAreUnique: of two clusters with one name or one server, Argo
// CD takes any.
func TestT03ServersAreUnique(t *testing.T) {
	all := clusters(t)
	if len(all) != len(list(t, "clusters")) {
		t.Error("two clusters have one name")
	}
	servers := map[string]string{}
	for name, c := range all {
		server := c.StringData["server"]
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "https" || u.Path != "" || !strings.HasSuffix(u.Hostname(), ".invalid") {
			t.Errorf("%s has the server %s", name, server)
		}
		if other, ok := servers[server]; ok {
			t.Errorf("%s and %s have one server", name, other)
		}
		servers[server] = name
	}
}

// TestT16ClusterConfig: one that does not decode stops the deletion of
// Applications in every ApplicationSet. Nor may there be a credential.
func TestT16ClusterConfig(t *testing.T) {
	type config struct {
		AWSAuthConfig *struct {
			ClusterName string `json:"clusterName"`
			RoleARN     string `json:"roleARN"`
		} `json:"awsAuthConfig"`
		ExecProviderConfig *struct {
			Command    string   `json:"command"`
			Args       []string `json:"args"`
			APIVersion string   `json:"apiVersion"`
		} `json:"execProviderConfig"`
		TLSClientConfig struct {
			Insecure bool   `json:"insecure"`
			CAData   string `json:"caData"`
		} `json:"tlsClientConfig"`
	}
	for name, c := range clusters(t) {
		var got config
		d := json.NewDecoder(strings.NewReader(c.StringData["config"]))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (got.AWSAuthConfig == nil) == (got.ExecProviderConfig == nil) || got.TLSClientConfig.Insecure || len(c.StringData) != 3 {
			t.Errorf("%s: %s", name, c.StringData["config"])
		}
	}
}
