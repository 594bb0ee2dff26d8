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

// referrers are the kinds in which kustomize looks for the names of other
// objects, whatever the kustomization says. TestReferrers holds it equal.
var referrers = map[string]bool{
	"APIService": true, "ClusterRole": true, "ClusterRoleBinding": true, "CronJob": true, "DaemonSet": true,
	"Deployment": true, "HorizontalPodAutoscaler": true, "Ingress": true, "Job": true,
	"MutatingWebhookConfiguration": true, "Node": true, "PersistentVolume": true, "PersistentVolumeClaim": true,
	"Pod": true, "PodTemplate": true, "ReplicaSet": true, "ReplicationController": true, "Role": true,
	"RoleBinding": true, "Service": true, "ServiceAccount": true, "StatefulSet": true, "StorageClass": true,
	"ValidatingAdmissionPolicyBinding": true, "ValidatingWebhookConfiguration": true,
}

// buildSparse builds with the identity and metadata only of those objects in
// which kustomize would look at nothing else: most of the time of a build goes
// into reading and copying what it leaves alone. ok is false if the result
// could differ from that of a build with everything.
func (g *graph) buildSparse(ctx context.Context, list manifest.List) (out manifest.List, ok bool) {
	left, ok := g.leftAlone(list)
	if !ok {
		return nil, false
	}
	sparse := slices.Clone(list)
	for _, i := range left {
		sparse[i].Fields = head(list[i].Fields)
	}
	if g.write(path.Join(g.root, reservedFile), encode(sparse)) != nil {
		return nil, false
	}
	built, err := g.run(ctx, asWritten)
	if err != nil {
		return nil, false
	}
	if out, err = decode(built, g.root, list); err != nil {
		return nil, false
	}
	return out, complete(out, list, left)
}

// headFields are what kustomize sees of a sparse object.
var headFields = []string{"apiVersion", "kind", "metadata"}

func head(fields map[string]any) map[string]any {
	out := make(map[string]any, len(headFields))
	for _, name := range headFields {
		out[name] = fields[name]
	}
	return out
}

// complete gives the objects of a sparse build their other fields back. Each
// must be there once and under its own identity.
func complete(out, list manifest.List, left []int) bool {
	type identity struct{ apiVersion, kind, namespace, name string }
	of := func(o manifest.Object) identity { return identity{o.APIVersion(), o.Kind(), o.Namespace(), o.Name()} }
	waiting := make(map[identity]int, len(left))
	for _, i := range left {
		waiting[of(list[i])] = i
	}
	const done = -1
	found := 0
	for _, o := range out {
		i, isSparse := waiting[of(o)]
		if !isSparse {
			continue
		}
		if i == done {
			return false
		}
		waiting[of(o)] = done
		found++
		for name, value := range list[i].Fields {
			if !slices.Contains(headFields, name) {
				o.Fields[name] = value
			}
		}
	}
	return found == len(left)
}

// leftAlone returns the indices of the objects of which kustomize sees nothing
// but their head; ok is false if there are none.
func (g *graph) leftAlone(list manifest.List) (left []int, ok bool) {
	if !g.patchesOnly() {
		return nil, false
	}
	targets := make([]*types.SelectorRegex, len(g.targets))
	for i, t := range g.targets {
		var err error
		if targets[i], err = types.NewSelectorRegex(&t.want); err != nil {
			return nil, false
		}
	}
	for i, o := range list {
		isTarget := slices.ContainsFunc(targets, func(t *types.SelectorRegex) bool { return mayMatch(t, o) })
		if !isTarget && !referrers[o.Kind()] && !strings.HasSuffix(o.Kind(), "List") && hasName(o) && survives(rest(o.Fields)) {
			left = append(left, i)
		}
	}
	return left, len(left) > 0
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

func rest(fields map[string]any) map[string]any {
	out := maps.Clone(fields)
	for _, name := range headFields {
		delete(out, name)
	}
	return out
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
