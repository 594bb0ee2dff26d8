package kustomize

import (
	"sigs.k8s.io/kustomize/api/types"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// lastLabels returns what the overlay's own labels come to, nil if that is
// nothing or if only kustomize should say. It puts them on all objects when all
// else is done, and reads a list of some hundred places for it that have no
// part in it: those of selectors and of templates.
//
// patchesOnly has seen that the labels go to metadata.labels and nowhere else.
func (g *graph) lastLabels() map[string]any {
	labels := map[string]any{}
	for _, l := range g.seen[g.root].typed.Labels {
		for key, value := range l.Pairs {
			// Others could be read as numbers, or as nothing.
			if !isLongWord(key) || !isLongWord("label-"+value) || value == "" {
				return nil
			}
			labels[key] = value
		}
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

func (g *graph) withoutLabels(k *kustomization) types.Kustomization {
	file := k.typed
	if k.dir == g.root {
		file.Labels = nil
	}
	return file
}

// labelled puts labels on all objects of a list; ok is false if only kustomize
// can tell what comes of it.
func labelled(list manifest.List, labels map[string]any) (out manifest.List, ok bool) {
	if len(labels) == 0 {
		return list, true
	}
	for i, o := range list {
		meta, isMap := o.Fields["metadata"].(map[string]any)
		if !isMap {
			return nil, false
		}
		if own, exists := meta["labels"]; exists {
			if _, isMap := own.(map[string]any); !isMap {
				return nil, false
			}
		}
		list[i].Fields = withLabels(o.Fields, labels)
	}
	return list, true
}
