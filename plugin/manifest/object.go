package manifest

import (
	"cmp"
	"strings"
)

// Object is one Kubernetes object.
type Object struct {
	// Fields is the object as JSON decodes it, with json.Number for numbers,
	// so that no digit is lost. It is never nil.
	Fields map[string]any
	// Source is the file that made the object, relative to the repository
	// root: a template, a file in crds/, or the overlay's directory.
	Source string
}

// List is an ordered list of objects.
type List []Object

// ID identifies an object within a cluster. Version is left out: apps/v1 and
// apps/v1beta1 name the same object.
type ID struct{ Group, Kind, Namespace, Name string }

// String is Kind/name, with the group where there is one and the namespace
// where it is set: "Deployment.apps/api in team-a".
func (id ID) String() string {
	var b strings.Builder
	b.WriteString(cmp.Or(id.Kind, "(no kind)"))
	if id.Group != "" {
		b.WriteString("." + id.Group)
	}
	b.WriteString("/" + cmp.Or(id.Name, "(no name)"))
	if id.Namespace != "" {
		b.WriteString(" in " + id.Namespace)
	}
	return b.String()
}

// APIVersion returns the field of that name, "" if it is not a string.
func (o Object) APIVersion() string { return str(o.Fields["apiVersion"]) }

// Kind returns the field of that name, "" if it is not a string.
func (o Object) Kind() string { return str(o.Fields["kind"]) }

// Name returns metadata.name, or metadata.generateName followed by "*", which
// Argo CD accepts for hooks.
func (o Object) Name() string {
	if name := o.metadata("name"); name != "" {
		return name
	}
	if prefix := o.metadata("generateName"); prefix != "" {
		return prefix + "*"
	}
	return ""
}

// Namespace returns metadata.namespace.
func (o Object) Namespace() string { return o.metadata("namespace") }

// Annotation returns the annotation of that key, "" if there is none.
func (o Object) Annotation(key string) string {
	meta, _ := o.Fields["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	return str(annotations[key])
}

// ID returns the object's identity as written.
func (o Object) ID() ID {
	group, _, found := strings.Cut(o.APIVersion(), "/")
	if !found {
		group = ""
	}
	return ID{Group: group, Kind: o.Kind(), Namespace: o.Namespace(), Name: o.Name()}
}

func (o Object) metadata(key string) string {
	meta, _ := o.Fields["metadata"].(map[string]any)
	return str(meta[key])
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
