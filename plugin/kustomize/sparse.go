package kustomize

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// buildSparse builds with those objects only that a patch may change. The
// others get the labels of the overlay, which it learns from one more object.
// Most of the time of a build goes into reading and copying what it leaves
// alone. ok is false if the result could differ from that of a build with
// everything.
//
// It need not show kustomize the objects that refer to others by name, as long
// as nothing gets another name and there is nothing to complete.
func (g *graph) buildSparse(ctx context.Context, list manifest.List) (out manifest.List, ok bool) {
	left, ok := g.leftAlone(list)
	if !ok {
		return nil, false
	}
	var shown manifest.List
	for i, o := range list {
		if !left[i] {
			shown = append(shown, o)
		}
	}
	shown = append(shown, probe)
	if g.write(path.Join(g.root, reservedFile), encode(shown)) != nil {
		return nil, false
	}
	form, labels := asWritten, g.lastLabels()
	if labels != nil {
		form = g.withoutLabels
	}
	resources, err := g.run(ctx, form)
	if err != nil || g.annotated {
		return nil, false
	}
	built, err := decode(resources, g.root, shown)
	if err != nil || !sameObjects(built, shown) {
		return nil, false
	}
	if out, ok = complete(built, list, left); !ok {
		return nil, false
	}
	return labelled(out, labels)
}

// probe is an object that no patch means. What kustomize does to it, it does
// to every object.
var probe = manifest.Object{Fields: map[string]any{
	"apiVersion": "core-pipeline.io/v1", "kind": "Probe", "metadata": map[string]any{"name": "core-pipeline-probe"},
}}

// sameObjects reports whether built begins with the objects of shown.
func sameObjects(built, shown manifest.List) bool {
	if len(built) < len(shown) {
		return false
	}
	for i, o := range shown {
		if built[i].APIVersion() != o.APIVersion() || built[i].ID() != o.ID() {
			return false
		}
	}
	return true
}

// complete puts the objects that were left alone back into their places, with
// the labels of the probe. ok is false if the overlay adds one of the same
// name.
func complete(built, list manifest.List, left []bool) (out manifest.List, ok bool) {
	names := map[kindName]bool{}
	out = make(manifest.List, 0, len(built)+len(list))
	for i, o := range list {
		names[kindNameOf(o)] = true
		if !left[i] {
			out, built = append(out, built[0]), built[1:]
			continue
		}
		out = append(out, o)
	}
	labels, ok := addedLabels(built[0])
	if !ok {
		return nil, false
	}
	for i := range list {
		if left[i] && len(labels) > 0 {
			out[i].Fields = withLabels(out[i].Fields, labels)
		}
	}
	for _, o := range built[1:] {
		if names[kindNameOf(o)] {
			return nil, false
		}
		out = append(out, o)
	}
	return out, true
}

// addedLabels returns what a build did to the probe; ok is false if that is
// more than to add labels.
func addedLabels(built manifest.Object) (labels map[string]any, ok bool) {
	meta, _ := built.Fields["metadata"].(map[string]any)
	labels, hasLabels := meta["labels"].(map[string]any)
	fields := 1 // the name
	if hasLabels {
		fields++
	}
	return labels, len(built.Fields) == len(probe.Fields) && len(meta) == fields
}

func withLabels(fields, labels map[string]any) map[string]any {
	fields = maps.Clone(fields)
	meta := maps.Clone(fields["metadata"].(map[string]any)) //nolint:forcetypeassert // isPlain has looked
	own, _ := meta["labels"].(map[string]any)
	all := make(map[string]any, len(own)+len(labels))
	maps.Copy(all, own)
	maps.Copy(all, labels)
	meta["labels"] = all
	fields["metadata"] = meta
	return fields
}

// kindName is how objects refer to each other, as far as it matters here.
type kindName struct{ kind, name string }

func kindNameOf(o manifest.Object) kindName { return kindName{o.Kind(), o.Name()} }

// leftAlone tells which objects a build adds labels to and nothing else; ok is
// false if there are none, or if it takes all objects to tell.
func (g *graph) leftAlone(list manifest.List) (left []bool, ok bool) {
	if !g.patchesOnly() {
		return nil, false
	}
	operations, ok := g.operations()
	if !ok {
		return nil, false
	}
	targets := make([]*types.SelectorRegex, len(g.targets))
	for i, t := range g.targets {
		var err error
		if targets[i], err = types.NewSelectorRegex(&t.want); err != nil {
			return nil, false
		}
	}
	isTarget := func(o manifest.Object) bool {
		return slices.ContainsFunc(targets, func(t *types.SelectorRegex) bool { return mayMatch(t, o) })
	}
	if isTarget(probe) {
		return nil, false
	}
	left, names := make([]bool, len(list)), map[kindName]bool{kindNameOf(probe): true}
	for i, o := range list {
		// Kustomize would not know which of two a reference means, or take them for one.
		if names[kindNameOf(o)] {
			return nil, false
		}
		names[kindNameOf(o)] = true
		left[i] = !isTarget(o) && isOrdinary(o) && (!operations || referencesIn(o) == untouched)
	}
	return left, slices.Contains(left, true)
}

// isOrdinary reports whether kustomize takes o for one object and leaves it as
// it is.
func isOrdinary(o manifest.Object) bool {
	return !strings.HasSuffix(o.Kind(), "List") && hasName(o) && isPlain(o) && survives(o.Fields) && referencesIn(o) != refused
}

// isPlain reports whether kustomize sees nothing in the metadata but what it
// keeps: it has annotations of its own.
func isPlain(o manifest.Object) bool {
	meta, ok := o.Fields["metadata"].(map[string]any)
	if !ok {
		return false
	}
	for _, field := range []string{"labels", "annotations"} {
		value, exists := meta[field]
		texts, isMap := value.(map[string]any)
		if exists && (!isMap || len(texts) == 0) {
			return false // it drops those that are empty
		}
		for key, text := range texts {
			if _, isText := text.(string); !isText || strings.Contains(key, "config.kubernetes.io/") || strings.Contains(key, "config.k8s.io/") {
				return false
			}
		}
	}
	return true
}

// patchesOnly reports whether the whole graph does nothing but to add objects,
// labels of objects, and patches that name their targets. Fields that this
// version does not know make it false.
func (g *graph) patchesOnly() bool {
	for _, k := range g.order {
		others := k.typed
		others.TypeMeta, others.MetaData = types.TypeMeta{}, nil
		others.Resources, others.Components = nil, nil
		others.Labels, others.Patches = nil, nil
		if !isEmpty(others) || slices.ContainsFunc(k.typed.Labels, labelsMore) || slices.ContainsFunc(k.typed.Patches, patchesMore) {
			return false
		}
	}
	return true
}

func isEmpty(k types.Kustomization) bool {
	for _, f := range reflect.ValueOf(k).Fields() {
		switch f.Kind() {
		case reflect.Slice, reflect.Map:
			if f.Len() > 0 {
				return false
			}
		default:
			if !f.IsZero() {
				return false
			}
		}
	}
	return true
}

// labelsMore reports whether labels go to other places than metadata.labels.
func labelsMore(l types.Label) bool {
	l.Pairs = nil
	return !reflect.DeepEqual(l, types.Label{})
}

// patchesMore reports whether a patch may change objects other than those that
// its target names, or their identity.
func patchesMore(p types.Patch) bool { return p.Target == nil || p.Options != nil }

// mayMatch does not look at the namespace, labels and annotations, which an
// earlier patch may change.
func mayMatch(t *types.SelectorRegex, o manifest.Object) bool {
	group, version, found := strings.Cut(o.APIVersion(), "/")
	if !found {
		group, version = "", group
	}
	return t.MatchName(o.Name()) && t.MatchGvk(resid.NewGvk(group, version, o.Kind()))
}

func hasName(o manifest.Object) bool {
	_, isGenerated := generated(o)
	return o.Name() != "" && !isGenerated
}

// survives reports whether a value is the same after kustomize read and wrote
// it. What it refuses to read or reads in another way must be shown to it.
func survives(value any) bool {
	switch v := value.(type) {
	case bool:
		return true
	case json.Number:
		return v != "-0"
	case string:
		return !strings.ContainsFunc(v, isOddInYAML)
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !survives(item) })
	case map[string]any:
		const longestKey = 128
		for key, item := range v {
			if key == "" || key == "<<" || len(key) > longestKey || !survives(key) || !survives(item) {
				return false
			}
		}
		return true
	}
	return false
}

// isOddInYAML tells the characters that JSON does not escape and YAML does not
// take as they are.
func isOddInYAML(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r == 0xfeff || r >= 0xfffe && r <= 0xffff
}
