package kustomize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// Kustomize takes a patch whose target matches nothing for a success
// (kubernetes-sigs/kustomize#4379). A probe finds out: a patch with the same
// target, run right before, that leaves an annotation on what it matches.
type probe struct {
	field string // of the kustomization, such as "patches"
	index int    // in that field
	id    string // the annotation's name
	where string // for the error
	want  types.Selector
}

func (k *kustomization) addProbe(field string, index int, want *types.Selector) {
	where := fmt.Sprintf("%s: %s[%d]", k.file, field, index)
	k.probes = append(k.probes, probe{
		field: field, index: index, where: where, want: *want,
		id: strings.NewReplacer("/", "_", ".", "_").Replace(k.dir) + "-" + field + "-" + strconv.Itoa(index) + "-" + strconv.Itoa(len(k.probes)),
	})
}

func (k *kustomization) probePatches() {
	for i, p := range k.typed.Patches {
		if p.Target != nil {
			k.addProbe("patches", i, p.Target)
		}
	}
	for i, p := range k.typed.PatchesJson6902 {
		if p.Target != nil {
			k.addProbe("patchesJson6902", i, p.Target)
		}
	}
}

// probeTransformer adds a probe for a built-in patch transformer.
func (k *kustomization) probeTransformer(field string, index int, config manifest.Object) {
	if field != "transformers" || config.Fields["target"] == nil {
		return
	}
	data, err := yaml.Marshal(config.Fields["target"])
	if err != nil {
		return
	}
	var want types.Selector
	if yaml.Unmarshal(data, &want) == nil {
		k.addProbe(field, index, &want)
	}
}

// patch is the probe as a patch of JSON 6902.
func (p probe) patch() string {
	path := "/metadata/annotations/" + strings.ReplaceAll(probeAnnotation+p.id, "/", "~1")
	return `[{"op": "add", "path": "` + path + `", "value": ""}]`
}

// entry is what to put in front of the probed entry of its field.
func (p probe) entry() any {
	target := map[string]any{}
	for key, value := range map[string]string{
		"group": p.want.Group, "version": p.want.Version, "kind": p.want.Kind, "name": p.want.Name,
		"namespace": p.want.Namespace, "labelSelector": p.want.LabelSelector, "annotationSelector": p.want.AnnotationSelector,
	} {
		if value != "" {
			target[key] = value
		}
	}
	if p.field != "transformers" {
		return map[string]any{"target": target, "patch": p.patch()}
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "builtin", "kind": "PatchTransformer", "metadata": map[string]any{"name": p.id},
		"target": target, "patch": p.patch(),
	})
	if err != nil {
		return "" // strings in maps can always be written
	}
	return string(data)
}

// patchFields are the fields whose patches may hide what a probe has left: a
// patch can delete the object.
var patchFields = []string{"patches", "patchesJson6902", "patchesStrategicMerge"}

// withProbes returns the fields of the kustomization with a probe in front of
// each probed entry, and with or without the entries themselves. The rendered
// objects are the first resource of the root.
func (k *kustomization) withProbes(patches, root bool) map[string]any {
	out := maps.Clone(k.fields)
	for _, field := range append(slices.Clone(patchFields), "transformers") {
		old, _ := k.fields[field].([]any)
		if len(old) == 0 {
			continue
		}
		var entries []any
		for i, entry := range old {
			probed := false
			for _, p := range k.probes {
				if p.field == field && p.index == i {
					entries = append(entries, p.entry())
					probed = true
				}
			}
			if patches || field == "transformers" && !probed {
				entries = append(entries, entry)
			}
		}
		out[field] = entries
	}
	if root {
		old, _ := k.fields["resources"].([]any)
		out["resources"] = append([]any{reservedFile}, old...)
	}
	return out
}

// checkPatches reports the patches that matched nothing. Those whose probe is
// missing get a second chance without patches: an object that was matched may
// have been deleted afterwards.
func (g *graph) checkPatches(ctx context.Context, found map[string]bool, list manifest.List) error {
	missing := g.missing(found)
	if len(missing) == 0 {
		return nil
	}
	if err := g.writeAll(false); err != nil {
		return err
	}
	objects := list
	if built, err := g.run(ctx); err == nil {
		var again map[string]bool
		if objects, again, err = decode(built, g.root, list); err != nil {
			return err
		}
		missing = slices.DeleteFunc(missing, func(p probe) bool { return again[p.id] })
	}
	errs := make([]error, len(missing))
	for i, p := range missing {
		errs[i] = fmt.Errorf("%s: no %s%s", p.where, describe(p.want), nearest(p.want, objects))
	}
	sortErrors(errs)
	return errors.Join(errs...)
}

func (g *graph) missing(found map[string]bool) []probe {
	var out []probe
	for _, k := range g.order {
		for _, p := range k.probes {
			if !found[p.id] {
				out = append(out, p)
			}
		}
	}
	return out
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
