package fleet

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// The labels of a cluster. ApplicationSets select by the first three.
const (
	LabelEnabled     = "core-pipeline.io/enabled"
	LabelEnvironment = "core-pipeline.io/env"
	LabelRing        = "core-pipeline.io/ring"
	LabelRegion      = "core-pipeline.io/region"

	labelSecretType = "argocd.argoproj.io/secret-type" //nolint:gosec // a label
	// AnnotationSource names the file of a cluster. Without any annotation
	// a template that looks at annotations fails for all clusters.
	AnnotationSource = "core-pipeline.io/source"

	// InCluster is the server of the cluster that Argo CD runs in.
	InCluster = "https://kubernetes.default.svc"
)

// Rings are the values of LabelRing, in the order of a rollout.
var Rings = []string{"canary", "main"}

var (
	secretKind         = header{"v1", "Secret"}
	externalSecretKind = header{"external-secrets.io/v1", "ExternalSecret"}
)

// Cluster is one file: a Secret that declares a cluster to Argo CD, or the
// ExternalSecret that makes it.
type Cluster struct {
	clusterData
	File        string
	object      objectMeta // of the file's object
	Labels      map[string]string
	Annotations map[string]string
	external    *externalSecret
	doc         *document
	// The paths of the Secret's metadata and data in the document.
	metaField, dataField string
}

// readCluster reads the one document of a cluster's file.
func readCluster(file string, data []byte) (*Cluster, Findings) {
	all := append(leftOver(file, data), credentials(file, data)...)
	docs, failed := parse(file, data)
	if len(failed) > 0 {
		return nil, append(all, failed...)
	}
	if len(docs) != 1 {
		text := "the file is empty; delete it or declare a cluster"
		if len(docs) > 1 {
			text = "one file is one cluster; move the second document to a file of its own"
		}
		return nil, append(all, Finding{File: file, Text: text})
	}
	d := docs[0]
	kind, ok := d.expect(secretKind, externalSecretKind)
	if !ok {
		return nil, append(all, d.findings...)
	}
	c := &Cluster{File: file, doc: d, metaField: "metadata", dataField: "stringData"}
	if kind == secretKind {
		var s secret
		d.decode(&s)
		c.object, c.clusterData, c.Labels, c.Annotations = s.Metadata, s.StringData, s.Metadata.Labels, s.Metadata.Annotations
		c.checkSecretType(s.Type, "type")
	} else {
		c.external = &externalSecret{}
		d.decode(c.external)
		t := c.external.Spec.Target.Template
		c.object, c.clusterData, c.Labels, c.Annotations = c.external.Metadata, t.Data, t.Metadata.Labels, t.Metadata.Annotations
		c.metaField, c.dataField = "spec.target.template.metadata", "spec.target.template.data"
		c.checkExternal()
	}
	d.root.Content = nil // thousands of clusters stay in memory
	return c, append(all, d.findings...)
}

// field is the path of a part of the Secret in the document.
func (c *Cluster) field(part, name string) string {
	switch part {
	case "labels", "annotations":
		return strings.TrimSuffix(c.metaField+"."+part+"."+name, ".")
	}
	return c.dataField + "." + name
}

func (c *Cluster) enabled() bool { return c.Labels[LabelEnabled] == "true" }

func (c *Cluster) checkSecretType(t, field string) {
	if t != "" && t != "Opaque" {
		c.doc.find(field, "expected Opaque")
	}
}

func (c *Cluster) checkExternal() {
	spec := c.external.Spec
	c.checkSecretType(spec.Target.Template.Type, "spec.target.template.type")
	c.doc.required([2]string{"spec.secretStoreRef.name", spec.SecretStoreRef.Name})
	if spec.Target.Name != "" && spec.Target.Name != c.object.Name {
		c.doc.find("spec.target.name", "expected %s, the name of the ExternalSecret", clip(c.object.Name))
	}
	if len(spec.Data) == 0 {
		c.doc.find("spec.data", "nothing is taken from the store; declare the cluster by a Secret")
	}
	for i, item := range spec.Data {
		at := fmt.Sprintf("spec.data[%d]", i)
		c.doc.required([2]string{at + ".secretKey", item.SecretKey}, [2]string{at + ".remoteRef.key", item.RemoteRef.Key})
	}
}

// check reports what is wrong with one cluster by itself.
func (c *Cluster) check(environments []string, options Options) Findings {
	d := c.doc.again()
	c.checkNames(d, environments)
	c.checkLabels(d, environments)
	c.checkServer(d)
	c.checkConfig(d, options)
	if len(c.Annotations) == 0 {
		d.find(c.field("annotations", ""), "there is none, and a template that looks at annotations would fail for all clusters; set %s to %s", AnnotationSource, c.File)
	}
	return d.findings
}

var clusterName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// maxName is how long the part of a name after the environment may be.
const maxName = 40

func (c *Cluster) checkNames(d *document, environments []string) {
	name, field := c.Name, c.field("data", "name")
	environment := environmentOf(name, environments)
	switch {
	case name == "":
		d.find(field, "is missing")
		return
	case !clusterName.MatchString(name):
		d.find(field, "%q is not a name of lower-case letters, digits and -", clip(name))
		return
	case environment == "":
		d.find(field, "%s does not begin with an environment and -; there are %s", clip(name), strings.Join(environments, ", "))
	case len(name) > len(environment)+1+maxName:
		d.find(field, "the part after %s- is longer than %d characters", environment, maxName)
	case c.Labels[LabelEnvironment] != "" && c.Labels[LabelEnvironment] != environment && slices.Contains(environments, c.Labels[LabelEnvironment]):
		d.find(c.field("labels", LabelEnvironment), "is %s, but the name of %s begins with %s; projects admit by name", c.Labels[LabelEnvironment], name, environment)
	}
	if want := name + ".yaml"; path.Base(c.File) != want {
		d.find(field, "is %s; name the file %s", clip(name), clip(want))
	}
	if want := "cluster-" + name; c.object.Name != want {
		d.find("metadata.name", "expected %s", clip(want))
	}
}

// environmentOf is the environment that a cluster's name begins with. The
// longest wins: eu-dev before eu.
func environmentOf(name string, environments []string) string {
	best := ""
	for _, e := range environments {
		if strings.HasPrefix(name, e+"-") && len(name) > len(e)+1 && len(e) > len(best) {
			best = e
		}
	}
	return best
}

func (c *Cluster) checkLabels(d *document, environments []string) {
	vocabulary := []struct {
		label string
		words []string
	}{
		{labelSecretType, []string{"cluster"}},
		{LabelEnabled, []string{"true", "false"}},
		{LabelEnvironment, environments},
		{LabelRing, Rings},
	}
	known := map[string]bool{LabelRegion: true}
	for _, v := range vocabulary {
		known[v.label] = true
		field, words := c.field("labels", v.label), strings.Join(v.words, " or ")
		switch value, ok := c.Labels[v.label]; {
		case !ok:
			d.find(field, "is missing; expected %s", words)
		case !slices.Contains(v.words, value):
			d.find(field, "%q is unknown; expected %s", clip(value), words)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		field := c.field("labels", key)
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			d.find(field, "is not the name of a label")
		} else if strings.HasPrefix(key, "core-pipeline.io/") && !known[key] {
			d.find(field, "is not a label of this project; there are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if problems := validation.IsValidLabelValue(c.Labels[key]); len(problems) > 0 {
			d.find(field, "is not the value of a label: at most 63 letters, digits, -, _ and .")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
		if problems := validation.IsQualifiedName(strings.ToLower(key)); len(problems) > 0 {
			d.find(c.field("annotations", key), "is not the name of an annotation")
		}
	}
}

func (c *Cluster) checkServer(d *document) {
	field := c.field("data", "server")
	u, err := url.Parse(c.Server)
	switch {
	case c.Server == "":
		d.find(field, "is missing")
	case err != nil || u.Host == "":
		d.find(field, "is not a URL such as https://host:6443")
	case u.Scheme != "https":
		d.find(field, "expected https://, found %s://", clip(u.Scheme))
	case u.User != nil:
		d.find(field, "holds a credential; the file must not")
	case strings.HasSuffix(c.Server, "/"):
		d.find(field, "ends with /; Argo CD compares servers by their text, write it without")
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(c.Server, "?# "):
		d.find(field, "is more than the address of a server")
	case u.Hostname() == "" || strings.ToLower(u.Host) != u.Host:
		d.find(field, "write the host in lower case: Argo CD compares servers by their text")
	}
}
