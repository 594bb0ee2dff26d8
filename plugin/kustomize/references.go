package kustomize

import (
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// way is a tree of field names, at whose ends kustomize looks for the names of
// other objects. Lists on the way are gone through.
type way map[string]way

// waysInPods lead from the spec of a pod. Kustomize looks for some of them in
// some kinds only.
var waysInPods = strings.Fields(`volumes/configMap/name volumes/secret/secretName volumes/persistentVolumeClaim/claimName
	volumes/projected/sources/configMap/name volumes/projected/sources/secret/name
	containers/env/valueFrom/configMapKeyRef/name containers/env/valueFrom/secretKeyRef/name
	containers/envFrom/configMapRef/name containers/envFrom/secretRef/name
	initContainers/env/valueFrom/configMapKeyRef/name initContainers/env/valueFrom/secretKeyRef/name
	initContainers/envFrom/configMapRef/name initContainers/envFrom/secretRef/name
	imagePullSecrets/name serviceAccountName priorityClassName`)

// podSpecs are where kinds have the spec of a pod. A Service is that of Knative.
var podSpecs = map[string]string{
	"Pod": "spec", "PodTemplate": "template/spec", "Deployment": "spec/template/spec", "ReplicaSet": "spec/template/spec",
	"DaemonSet": "spec/template/spec", "StatefulSet": "spec/template/spec", "Job": "spec/template/spec", "Service": "spec/template/spec",
	"ReplicationController": "spec/template/spec", "CronJob": "spec/jobTemplate/spec/template/spec",
}

// otherWays lead from the object, but for those to annotations, which are texts.
var otherWays = map[string][]string{
	"HorizontalPodAutoscaler": strings.Fields("spec/scaleTargetRef/name"),
	"Node":                    strings.Fields("spec/configSource/configMap"),
	"Role":                    strings.Fields("rules/resourceNames"),
	"ClusterRole":             strings.Fields("rules/resourceNames"),
	"RoleBinding":             strings.Fields("roleRef/name subjects"),
	"ClusterRoleBinding":      strings.Fields("roleRef/name subjects"),
	"Ingress": strings.Fields(`spec/tls/secretName spec/backend/serviceName spec/rules/http/paths/backend/serviceName
		spec/defaultBackend/service/name spec/rules/http/paths/backend/service/name spec/ingressClassName`),
	"ServiceAccount":                   strings.Fields("imagePullSecrets/name"),
	"StorageClass":                     strings.Fields("parameters/secretName parameters/adminSecretName parameters/userSecretName parameters/secretRef"),
	"PersistentVolume":                 strings.Fields("spec/azureFile/secretName spec/storageClassName"),
	"PersistentVolumeClaim":            strings.Fields("spec/volumeName spec/storageClassName"),
	"StatefulSet":                      strings.Fields("spec/serviceName spec/volumeClaimTemplates/spec/storageClassName"),
	"APIService":                       strings.Fields("spec/service/name"),
	"ValidatingWebhookConfiguration":   strings.Fields("webhooks/clientConfig/service"),
	"MutatingWebhookConfiguration":     strings.Fields("webhooks/clientConfig/service"),
	"ValidatingAdmissionPolicyBinding": strings.Fields("spec/policyName"),
}

// waysOf are those of each kind of resource, whatever its group.
// TestWays holds that there are no others.
var waysOf = sync.OnceValue(func() map[string]way {
	all := map[string]way{}
	add := func(kind, prefix string, paths []string) {
		if all[kind] == nil {
			all[kind] = way{}
		}
		for _, path := range paths {
			at := all[kind]
			for name := range strings.SplitSeq(prefix+path, "/") {
				if at[name] == nil {
					at[name] = way{}
				}
				at = at[name]
			}
		}
	}
	for kind, spec := range podSpecs {
		add(kind, spec+"/", waysInPods)
	}
	for kind, paths := range otherWays {
		add(kind, "", paths)
	}
	return all
})

// references is what kustomize makes of the references in an object, as long
// as no object gets another name or namespace.
type references uint8

const (
	// untouched are those that stay as they are.
	untouched references = iota
	// completed are those in maps that lack a namespace: they get that of the
	// object, if a patch of operations was applied to it.
	completed
	// refused says that there is something else where a name should be.
	refused
)

func referencesIn(o manifest.Object) references {
	ways := waysOf()[o.Kind()]
	if ways == nil {
		return untouched
	}
	if subjects, isList := o.Fields["subjects"].([]any); isList && o.Kind() == "RoleBinding" && slices.ContainsFunc(subjects, isNoSubject) {
		return refused
	}
	return ways.follow(o.Fields)
}

// isNoSubject reports whether kustomize, which looks for the namespaces of
// service accounts in a RoleBinding, refuses a subject of it or panics.
func isNoSubject(item any) bool {
	subject, isMap := item.(map[string]any)
	namespace, has := subject["namespace"]
	if !isMap || !has || subject["kind"] == nil {
		return !isMap
	}
	kind, isText := subject["kind"].(string)
	_, isName := namespace.(string)
	return !isText || kind == "ServiceAccount" && !isName
}

// follow says what the worst is below value.
func (w way) follow(value any) (worst references) {
	if len(w) == 0 {
		return referenceAt(value, true)
	}
	switch v := value.(type) {
	case nil:
		return untouched
	case map[string]any:
		for name, next := range w {
			if inner, ok := v[name]; ok {
				worst = max(worst, next.follow(inner))
			}
		}
		return worst
	case []any:
		for _, item := range v {
			worst = max(worst, w.follow(item))
		}
		return worst
	}
	return refused
}

// referenceAt is about the end of a way: a name, a map that has one, or a list
// of those.
func referenceAt(value any, mayBeList bool) (worst references) {
	switch v := value.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		namespace, _ := v["namespace"].(string)
		switch {
		case v["name"] == nil:
			return refused
		case name == "" || namespace == "":
			return completed
		}
	case []any:
		if !mayBeList {
			return refused
		}
		for _, item := range v {
			worst = max(worst, referenceAt(item, false))
		}
	}
	return worst
}

// operations tells whether patches of the graph are lists of operations; ok is
// false if one could give an object another name or namespace, be it for the
// next patch only: kustomize remembers all that such an object has had, and
// looks for references to it. With merges it does not.
func (g *graph) operations() (some, ok bool) {
	for _, k := range g.order {
		for _, p := range k.typed.Patches {
			var patch any
			if err := yaml.Unmarshal([]byte(g.textOf(k, "patches", p)), &patch); err != nil {
				return true, false
			}
			if _, isMerge := patch.(map[string]any); isMerge {
				continue
			}
			some = true
			list, isList := patch.([]any)
			if !isList || slices.ContainsFunc(list, mayRename) {
				return true, false
			}
		}
	}
	return some, true
}

func mayRename(operation any) bool {
	fields, isMap := operation.(map[string]any)
	pointer, isText := fields["path"].(string)
	return !isMap || !isText || isIdentity(pointer)
}

// isIdentity is about a JSON pointer; what is before the first slash does not
// count.
func isIdentity(pointer string) bool {
	_, path, _ := strings.Cut(pointer, "/")
	switch path {
	case "", "metadata", "metadata/name", "metadata/namespace":
		return true
	}
	return false
}
