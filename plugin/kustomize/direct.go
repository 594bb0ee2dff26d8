package kustomize

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// buildDirect does what a build comes to where an overlay is one kustomization
// with labels and strategic merge patches that name their targets: it lets
// kustomize merge each patch, as its own build would, but only with the part of
// an object that the patch can reach. ok is false if the overlay or an object
// has anything else in it, or if anything goes wrong: a build says what.
func (g *graph) buildDirect(ctx context.Context, list manifest.List) (out manifest.List, ok bool) {
	labels, ok := g.labelsOnly()
	if !ok || ctx.Err() != nil || !areDistinct(list) {
		return nil, false
	}
	running.Lock()
	defer running.Unlock()
	defer func() {
		if recover() != nil {
			out, ok = nil, false
		}
	}()
	patches, ok := g.mergePatches()
	if !ok {
		return nil, false
	}
	out = make(manifest.List, len(list))
	for i, o := range list {
		if !isOrdinary(o) {
			return nil, false
		}
		var meant []*mergePatch
		for _, p := range patches {
			if mayMatch(p.target, o) {
				meant = append(meant, p)
			}
		}
		if len(meant) > 0 {
			if o.Fields, ok = g.merge(o, meant); !ok {
				return nil, false
			}
		}
		out[i] = o
	}
	return labelled(out, labels)
}

// labelsOnly returns the labels of an overlay that has nothing but labels and
// patches, in one file.
func (g *graph) labelsOnly() (labels map[string]any, ok bool) {
	k := g.seen[g.root]
	if len(g.order) != 1 || len(k.typed.Resources) > 0 || !g.patchesOnly() || k.typed.EnforceFields() != nil {
		return nil, false
	}
	labels = g.lastLabels()
	return labels, labels != nil || len(k.typed.Labels) == 0
}

// areDistinct reports whether no two objects have the same kind and name.
func areDistinct(list manifest.List) bool {
	names := make(map[kindName]bool, len(list))
	for _, o := range list {
		names[kindNameOf(o)] = true
	}
	return len(names) == len(list)
}

// mergePatch is one strategic merge patch.
type mergePatch struct {
	target *types.SelectorRegex
	patch  *resource.Resource
}

var patchFactory = sync.OnceValue(func() *resource.Factory { return provider.NewDepProvider().GetResourceFactory() })

// mergePatches reads all patches; ok is false unless each is a single one that
// only adds and replaces fields, and names what it is for by kind and name.
func (g *graph) mergePatches() (patches []*mergePatch, ok bool) {
	k := g.seen[g.root]
	for _, p := range k.typed.Patches {
		if p.Target.Namespace != "" || p.Target.LabelSelector != "" || p.Target.AnnotationSelector != "" {
			return nil, false
		}
		target, err := types.NewSelectorRegex(p.Target)
		if err != nil {
			return nil, false
		}
		text := []byte(g.textOf(k, "patches", p))
		switch inline := strings.TrimSpace(p.Patch); { // as kustomize does
		case p.Path == "":
			text = []byte(inline)
		case inline != "":
			return nil, false
		}
		read, err := patchFactory().SliceFromBytes(text)
		if err != nil || len(read) != 1 || !isPlainPatch(read[0].YNode()) {
			return nil, false
		}
		patches = append(patches, &mergePatch{target, read[0]})
	}
	return patches, true
}

// isPlainPatch reports whether a patch has no directives, such as $patch, no
// field twice, and no comments that kustomize could take for a schema.
func isPlainPatch(n *yaml.Node) bool {
	if strings.Contains(n.HeadComment+n.LineComment+n.FootComment, "{") {
		return false
	}
	switch n.Kind {
	case yaml.MappingNode:
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || strings.HasPrefix(key.Value, "$") || key.Value == "<<" || seen[key.Value] || !isPlainPatch(key) || !isPlainPatch(n.Content[i+1]) {
				return false
			}
			seen[key.Value] = true
		}
		return true
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if !isPlainPatch(item) {
				return false
			}
		}
		return true
	}
	return n.Kind == yaml.ScalarNode
}

// merge applies patches to an object, one after the other. The caller holds
// running.
func (g *graph) merge(o manifest.Object, patches []*mergePatch) (fields map[string]any, ok bool) {
	g.kinds[o.Kind()] = true
	if index().load(g.kinds) != nil {
		return nil, false
	}
	roots := make([]*yaml.Node, len(patches))
	for i, p := range patches {
		roots[i] = p.patch.YNode()
	}
	sh := knownShapes.of(o.APIVersion(), o.Kind())
	if sh == nil {
		return nil, false
	}
	part, ok := g.reach(o.Fields, roots, sh, true)
	if !ok || index().load(g.kinds) != nil {
		return nil, false
	}
	// What follows is (resmap.ResMap).ApplySmPatch.
	r := &resource.Resource{RNode: *yaml.NewRNode(part.node)}
	for _, p := range patches {
		patch := p.patch.DeepCopy()
		if patch.CopyMergeMetaDataFieldsFrom(p.patch) != nil {
			return nil, false
		}
		patch.SetGvk(r.GetGvk())
		patch.SetKind(p.patch.GetKind())
		if r.ApplySmPatch(patch) != nil || r.IsNilOrEmpty() {
			return nil, false
		}
	}
	fields, err := decodeObject(&r.RNode)
	if err != nil || !part.complete(fields) {
		return nil, false
	}
	got := manifest.Object{Fields: fields}
	return fields, got.APIVersion() == o.APIVersion() && got.ID() == o.ID() && isPlain(got) && referencesIn(got) != refused
}

// reached is the part of a mapping that patches can reach, as kustomize reads
// it, and the rest.
type reached struct {
	node  *yaml.Node
	rest  map[string]any
	below map[string]*reached
}

// reach splits fields. Nothing of a list is left out, and nothing that a merge
// could change on its way.
func (g *graph) reach(fields map[string]any, patches []*yaml.Node, sh *shape, isRoot bool) (*reached, bool) {
	part := &reached{node: newMapping(), rest: map[string]any{}, below: map[string]*reached{}}
	for name, value := range fields {
		named, areMaps := valuesOf(patches, name)
		var node *yaml.Node
		switch below, isMap := value.(map[string]any); {
		case isRoot && (name == "metadata" || name == "apiVersion" || name == "kind"):
			node = g.toNode(value)
		case len(named) == 0 && isCalm(value, sh.field(name)):
			part.rest[name] = value
			continue
		case len(named) > 0 && areMaps && isMap && (sh.field(name) != nil || !isResource(below)):
			inner, ok := g.reach(below, named, sh.field(name), false)
			if !ok {
				return nil, false
			}
			node, part.below[name] = inner.node, inner
		default:
			node = g.toNode(value)
		}
		if node == nil {
			return nil, false
		}
		part.node.Content = append(part.node.Content, newText(name), node)
	}
	return part, true
}

// valuesOf are the values of a field in those patches that have it.
func valuesOf(patches []*yaml.Node, name string) (values []*yaml.Node, areMaps bool) {
	areMaps = true
	for _, p := range patches {
		for i := 0; i+1 < len(p.Content); i += 2 {
			if p.Content[i].Value == name {
				values = append(values, p.Content[i+1])
				areMaps = areMaps && p.Content[i+1].Kind == yaml.MappingNode
			}
		}
	}
	return values, areMaps
}

// complete puts the rest back into what became of the part.
func (r *reached) complete(fields map[string]any) bool {
	maps.Copy(fields, r.rest)
	for name, below := range r.below {
		inner, isMap := fields[name].(map[string]any)
		if !isMap || !below.complete(inner) {
			return false
		}
	}
	return true
}

// toNode returns the node that kustomize reads from the value in JSON, nil for
// a value that is not surely read like this. It notes the kinds of resources in
// it.
func (g *graph) toNode(value any) *yaml.Node {
	switch v := value.(type) {
	case string:
		return newText(v)
	case bool:
		text, _ := scalarText(v)
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagBool, Value: text}
	case json.Number:
		if !isShortDecimal(v.String()) {
			return nil
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagInt, Value: v.String()}
	case map[string]any:
		node := newMapping()
		if kind, _ := v["kind"].(string); index().kinds[kind] != nil {
			g.kinds[kind] = true
		}
		for name, item := range v {
			inner := g.toNode(item)
			if inner == nil {
				return nil
			}
			node.Content = append(node.Content, newText(name), inner)
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: yaml.NodeTagSeq, Style: yaml.FlowStyle}
		for _, item := range v {
			inner := g.toNode(item)
			if inner == nil {
				return nil
			}
			node.Content = append(node.Content, inner)
		}
		return node
	}
	return nil
}

func newMapping() *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: yaml.NodeTagMap, Style: yaml.FlowStyle}
}

func newText(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Style: yaml.DoubleQuotedStyle, Value: text}
}
