package kustomize

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// target is the selector of a patch. Kustomize takes a patch whose target
// matches nothing for a success (kubernetes-sigs/kustomize#4379).
type target struct {
	of    *kustomization
	field string // "patches", "patchesJson6902" or "transformers"
	index int    // in that field
	want  types.Selector
	// mark is the field that the target's probe adds to what it matches.
	mark string
}

func (g *graph) addTarget(k *kustomization, field string, index int, want *types.Selector) {
	if want != nil {
		g.targets = append(g.targets, target{
			of: k, field: field, index: index, want: *want,
			mark: "core-pipeline-matched-" + strconv.Itoa(len(g.targets)),
		})
	}
}

// addTransformerTarget adds the target of a built-in patch transformer.
func (g *graph) addTransformerTarget(k *kustomization, field string, index int, config manifest.Object) {
	if field != "transformers" || !strings.HasPrefix(config.Kind(), "Patch") {
		return
	}
	data, err := json.Marshal(config.Fields)
	if err != nil {
		return // the fields came out of a decoder
	}
	var transformer struct {
		Target *types.Selector `json:"target"`
	}
	if yaml.Unmarshal(data, &transformer) == nil {
		g.addTarget(k, field, index, transformer.Target)
	}
}

// checkTargets reports those of the missing targets that match nothing. They
// are looked for in builds of their own, in which each is preceded by a patch
// that leaves a mark.
func (g *graph) checkTargets(ctx context.Context, missing []target, list manifest.List) error {
	if len(missing) == 0 {
		return nil
	}
	// An object that was matched may be deleted by a later patch: the second
	// build is without patches.
	for _, patches := range []bool{true, false} {
		built, err := g.run(ctx, func(k *kustomization) types.Kustomization { return k.probed(missing, patches) })
		if err != nil {
			continue // without some patches, others may not fit
		}
		found := map[string]bool{}
		for _, r := range built.Resources() {
			fields, err := r.Map()
			if err != nil {
				return fmt.Errorf("%s: reading a patched object: %w", g.root, err)
			}
			for key := range fields {
				found[key] = true
			}
		}
		missing = slices.DeleteFunc(missing, func(t target) bool { return found[t.mark] })
	}
	errs := make([]error, len(missing))
	for i, t := range missing {
		errs[i] = fmt.Errorf("%s: %s[%d]: no %s%s", t.of.file, t.field, t.index, describe(t.want), nearest(t.want, list))
	}
	return errors.Join(errs...)
}

// notRendered returns the targets that are not for certain matched by a
// rendered object. Names and kinds stay matched whatever happens before;
// labels, annotations and objects may be gone. The comparison is that of
// kustomize's resmap.Select.
func (g *graph) notRendered(list manifest.List) []target {
	if len(g.targets) == 0 || slices.ContainsFunc(g.order, g.deletes) {
		return g.targets
	}
	running.Lock() // whether a kind has a namespace is a question to kyaml's schema
	defer running.Unlock()
	return slices.DeleteFunc(slices.Clone(g.targets), func(t target) bool {
		if t.of.base || t.want.LabelSelector != "" || t.want.AnnotationSelector != "" {
			return false
		}
		want, err := types.NewSelectorRegex(&t.want)
		return err == nil && slices.ContainsFunc(list, func(o manifest.Object) bool {
			group, version, found := strings.Cut(o.APIVersion(), "/")
			if !found {
				group, version = "", group
			}
			id := resid.NewResIdWithNamespace(resid.NewGvk(group, version, o.Kind()), o.Name(), o.Namespace())
			return want.MatchNamespace(id.EffectiveNamespace()) && want.MatchName(id.Name) && want.MatchGvk(id.Gvk)
		})
	})
}

// deletes reports whether something in k may remove an object.
func (g *graph) deletes(k *kustomization) bool {
	texts := []any{k.typed.Patches, k.typed.PatchesStrategicMerge, k.typed.Transformers} //nolint:staticcheck // deprecated, and in use
	data, err := json.Marshal(texts)
	if err != nil || bytes.Contains(data, []byte("$patch")) {
		return true
	}
	for _, named := range k.namedFiles() {
		at, err := k.inside(named.field, named.file)
		if err != nil {
			continue
		}
		if data, err := g.files.ReadFile("/" + at); err == nil && bytes.Contains(data, []byte("$patch")) {
			return true
		}
	}
	return false
}

// probe is the patch for the target. Adding a field to the object itself is
// possible whatever the object has.
func (t target) probe() types.Patch {
	want := t.want
	return types.Patch{Target: &want, Patch: `[{"op": "add", "path": "/` + t.mark + `", "value": true}]`}
}

// probed returns the kustomization with a probe in front of each target, and
// with or without the patches themselves.
func (k *kustomization) probed(targets []target, patches bool) types.Kustomization {
	out := k.typed
	out.Patches = nil
	out.PatchesJson6902 = nil //nolint:staticcheck // deprecated, and in use
	out.Transformers = nil
	add := func(field string, index int) {
		for _, t := range targets {
			switch {
			case t.of != k || t.field != field || t.index != index:
			case field == "patches":
				out.Patches = append(out.Patches, t.probe())
			case field == "patchesJson6902":
				out.PatchesJson6902 = append(out.PatchesJson6902, t.probe()) //nolint:staticcheck // deprecated, and in use
			default:
				out.Transformers = append(out.Transformers, t.transformer())
			}
		}
	}
	for i, entry := range k.typed.Patches {
		add("patches", i)
		if patches {
			out.Patches = append(out.Patches, entry)
		}
	}
	for i, entry := range k.typed.PatchesJson6902 { //nolint:staticcheck // deprecated, and in use
		add("patchesJson6902", i)
		if patches {
			out.PatchesJson6902 = append(out.PatchesJson6902, entry) //nolint:staticcheck // deprecated, and in use
		}
	}
	for i, entry := range k.typed.Transformers {
		add("transformers", i)
		if patches {
			out.Transformers = append(out.Transformers, entry)
		}
	}
	if !patches {
		out.PatchesStrategicMerge = nil //nolint:staticcheck // deprecated, and in use
	}
	return out
}

// transformer is the probe as an entry of transformers.
func (t target) transformer() string {
	probe := t.probe()
	data, err := json.Marshal(map[string]any{
		"apiVersion": "builtin", "kind": "PatchTransformer", "metadata": map[string]any{"name": t.mark},
		"target": probe.Target, "patch": probe.Patch,
	})
	if err != nil {
		return "" // strings can always be written
	}
	return string(data)
}

func describe(want types.Selector) string {
	text := cmp.Or(want.Kind, "object") + "/" + cmp.Or(want.Name, "*")
	if want.Group != "" {
		text += " of " + want.Group
	}
	if want.Version != "" {
		text += " " + want.Version
	}
	if want.Namespace != "" {
		text += " in " + want.Namespace
	}
	if want.LabelSelector != "" {
		text += " with labels " + want.LabelSelector
	}
	if want.AnnotationSelector != "" {
		text += " with annotations " + want.AnnotationSelector
	}
	return clip(text)
}

// nearest names the objects that the author may have meant: those of the same
// kind, else those of the same name.
func nearest(want types.Selector, objects manifest.List) string {
	const most = 3
	var names []string
	add := func(match func(manifest.Object) bool) {
		for _, o := range objects {
			if name := o.Kind() + "/" + o.Name(); match(o) && !slices.Contains(names, name) && len(names) < most {
				names = append(names, name)
			}
		}
	}
	add(func(o manifest.Object) bool { return strings.EqualFold(o.Kind(), want.Kind) })
	if len(names) == 0 {
		add(func(o manifest.Object) bool { return o.Name() == want.Name })
	}
	if len(names) == 0 {
		return ""
	}
	return "; found " + strings.Join(names, ", ")
}
