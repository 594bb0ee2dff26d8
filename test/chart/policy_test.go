package chart

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// environment is everything that one values file renders, with what the
// policies below look up in it.
type environment struct {
	list manifest.List
	pods map[string]map[string]any
}

// workloads have labels that selectors can match.
func (e environment) podLabels() map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range e.list {
		at0 := "metadata.labels"
		if o.Kind() == "Deployment" || o.Kind() == "Job" {
			at0 = "spec.template.metadata.labels"
		} else if o.Kind() != "Pod" {
			continue
		}
		labels, _ := at(o.Fields, at0).(map[string]any)
		out[o.Kind()+"/"+o.Name()] = labels
	}
	return out
}

func (e environment) selected(selector any) []string {
	want, _ := selector.(map[string]any)
	var out []string
	for name, labels := range e.podLabels() {
		matches := true
		for key, value := range want {
			matches = matches && labels[key] == value
		}
		if matches && len(want) > 0 {
			out = append(out, name)
		}
	}
	return out
}

func (e environment) has(kind, name string) bool {
	return slices.ContainsFunc(e.list, func(o manifest.Object) bool { return o.Kind() == kind && o.Name() == name })
}

func (e environment) of(kind string) manifest.List {
	return slices.DeleteFunc(slices.Clone(e.list), func(o manifest.Object) bool { return o.Kind() != kind })
}

// finding reports what is wrong with one thing.
type finding func(format string, args ...any)

// policies are the checks of kube-linter and of polaris that concern what this
// chart renders, under their names. What Pod Security covers is in
// TestPodSecurity, what concerns RBAC does not occur: no Role is rendered.
var policyChecks = map[string]func(e environment, find finding){
	"dangling-service": func(e environment, find finding) {
		for _, o := range e.of("Service") {
			if len(e.selected(at(o.Fields, "spec.selector"))) != 1 {
				find("Service/%s selects %v", o.Name(), e.selected(at(o.Fields, "spec.selector")))
			}
		}
	},
	"dangling-hpa": func(e environment, find finding) {
		for _, o := range slices.Concat(e.of("HorizontalPodAutoscaler"), e.of("ScaledObject")) {
			if name, _ := at(o.Fields, "spec.scaleTargetRef.name").(string); !e.has("Deployment", name) {
				find("%s/%s scales %s", o.Kind(), o.Name(), name)
			}
		}
	},
	"dangling-ingress": func(e environment, find finding) {
		for _, o := range e.of("Ingress") {
			for _, rule := range asList(at(o.Fields, "spec.rules")) {
				for _, p := range asList(at(rule.(map[string]any), "http.paths")) {
					if name, _ := at(p.(map[string]any), "backend.service.name").(string); !e.has("Service", name) {
						find("Ingress/%s leads to %s", o.Name(), name)
					}
				}
			}
		}
	},
	"dangling-servicemonitor": func(e environment, find finding) {
		for _, o := range e.of("ServiceMonitor") {
			count := 0
			for _, s := range e.of("Service") {
				labels, _ := at(s.Fields, "metadata.labels").(map[string]any)
				want, _ := at(o.Fields, "spec.selector.matchLabels").(map[string]any)
				matches := len(want) > 0
				for key, value := range want {
					matches = matches && labels[key] == value
				}
				if matches {
					count++
				}
			}
			if count != 1 {
				find("ServiceMonitor/%s selects %d Services", o.Name(), count)
			}
		}
	},
	"mismatching-selector": func(e environment, find finding) {
		for _, o := range e.of("Deployment") {
			if !slices.Contains(e.selected(at(o.Fields, "spec.selector.matchLabels")), "Deployment/"+o.Name()) {
				find("Deployment/%s does not select its pods", o.Name())
			}
		}
	},
	"pdb-max-unavailable, pdb-min-available, pdbDisruptionsIsZero": func(e environment, find finding) {
		for _, o := range e.of("PodDisruptionBudget") {
			most, least := at(o.Fields, "spec.maxUnavailable"), at(o.Fields, "spec.minAvailable")
			if (most == nil) == (least == nil) || text(most) == "0" || text(least) == "100%" {
				find("PodDisruptionBudget/%s: minAvailable %v, maxUnavailable %v", o.Name(), least, most)
			}
		}
	},
	"pdb-unhealthy-pod-eviction-policy": func(e environment, find finding) {
		for _, o := range e.of("PodDisruptionBudget") {
			if at(o.Fields, "spec.unhealthyPodEvictionPolicy") == nil {
				find("PodDisruptionBudget/%s", o.Name())
			}
		}
	},
	"pdbMinAvailableGreaterThanHPAMinReplicas": func(e environment, find finding) {
		for _, o := range e.of("PodDisruptionBudget") {
			for _, h := range e.of("HorizontalPodAutoscaler") {
				available, err := strconv.Atoi(text(at(o.Fields, "spec.minAvailable")))
				least, _ := strconv.Atoi(text(at(h.Fields, "spec.minReplicas")))
				if err == nil && available >= least {
					find("PodDisruptionBudget/%s wants %d of %d pods", o.Name(), available, least)
				}
			}
		}
	},
	"hpaMinAvailability, hpaMaxAvailability": func(e environment, find finding) {
		for _, o := range e.of("HorizontalPodAutoscaler") {
			least, most := text(at(o.Fields, "spec.minReplicas")), text(at(o.Fields, "spec.maxReplicas"))
			if least == "" || least == "1" || most == least {
				find("HorizontalPodAutoscaler/%s: %s to %s", o.Name(), least, most)
			}
		}
		for _, d := range e.of("Deployment") {
			if len(e.of("HorizontalPodAutoscaler")) > 0 && at(d.Fields, "spec.replicas") != nil {
				find("Deployment/%s has replicas beside an autoscaler", d.Name())
			}
		}
	},
	"no-rolling-update-strategy": func(e environment, find finding) {
		for _, d := range e.of("Deployment") {
			if text(at(d.Fields, "spec.strategy.rollingUpdate.maxUnavailable")) != "0" {
				find("Deployment/%s", d.Name())
			}
		}
	},
	"no-anti-affinity, topologySpreadConstraint": func(e environment, find finding) {
		for _, d := range e.of("Deployment") {
			if at(d.Fields, "spec.template.spec.affinity") == nil {
				find("Deployment/%s", d.Name())
			}
		}
	},
	"liveness-port, readiness-port, startup-port, readinessProbeMissing, livenessProbeMissing": func(e environment, find finding) {
		for _, d := range e.of("Deployment") {
			c, _ := at(d.Fields, "spec.template.spec.containers.0").(map[string]any)
			for _, probe := range []string{"livenessProbe", "readinessProbe"} {
				if text(at(c, probe+".httpGet.port")) != "http" || text(at(c, "ports.0.name")) != "http" {
					find("Deployment/%s: %s asks %v", d.Name(), probe, at(c, probe+".httpGet.port"))
				}
			}
		}
	},
	"invalid-target-ports, privileged-ports, ssh-port, hostPortSet": func(e environment, find finding) {
		for name, spec := range e.pods {
			for _, c := range asList(spec["containers"]) {
				for _, p := range asList(c.(map[string]any)["ports"]) {
					port := p.(map[string]any)
					if len(text(port["containerPort"])) < 4 || port["hostPort"] != nil {
						find("%s: %v", name, port)
					}
				}
			}
		}
		for _, o := range e.of("Service") {
			for _, p := range asList(at(o.Fields, "spec.ports")) {
				if name := text(p.(map[string]any)["targetPort"]); name != "http" && name != "metrics" {
					find("Service/%s leads to port %s", o.Name(), name)
				}
			}
		}
	},
	"non-existent-service-account, default-service-account": func(e environment, find finding) {
		for _, d := range e.of("Deployment") {
			name, _ := at(d.Fields, "spec.template.spec.serviceAccountName").(string)
			if !e.has("ServiceAccount", name) && name != "shared" {
				find("Deployment/%s runs as %s", d.Name(), name)
			}
		}
	},
	"env-var-secret, sensitiveContainerEnvVar, sensitiveConfigmapContent": func(e environment, find finding) {
		secretive := regexp.MustCompile(`(?i)password|secret|token|api_?key`)
		for name, spec := range e.pods {
			for _, c := range asList(spec["containers"]) {
				for _, v := range asList(c.(map[string]any)["env"]) {
					if variable := v.(map[string]any); secretive.MatchString(text(variable["name"])) && variable["value"] != nil {
						find("%s: %v", name, variable["name"])
					}
				}
			}
		}
		for _, o := range e.of("ConfigMap") {
			data, _ := o.Fields["data"].(map[string]any)
			for key := range data {
				if secretive.MatchString(key) {
					find("ConfigMap/%s: %s", o.Name(), key)
				}
			}
		}
	},
	"restart-policy": func(e environment, find finding) {
		for name, spec := range e.pods {
			if !strings.HasPrefix(name, "Deployment/") && spec["restartPolicy"] != "Never" {
				find("%s", name)
			}
		}
	},
	"job-ttl-seconds-after-finished, backoff": func(e environment, find finding) {
		for _, o := range e.of("Job") {
			// A hook is deleted before the next one; a TTL would race with Argo CD.
			if at(o.Fields, "spec.ttlSecondsAfterFinished") != nil || at(o.Fields, "spec.activeDeadlineSeconds") == nil || at(o.Fields, "spec.backoffLimit") == nil {
				find("Job/%s", o.Name())
			}
		}
	},
	"use-namespace": func(e environment, find finding) {
		for _, o := range e.list {
			if o.Namespace() == "" || o.Namespace() == "default" {
				find("%s/%s", o.Kind(), o.Name())
			}
		}
	},
	"tlsSettingsMissing": func(e environment, find finding) {
		for _, o := range e.of("Ingress") {
			// The block of the metrics has the hosts, and so the certificate, of the other one.
			if at(o.Fields, "spec.tls") == nil && !strings.HasSuffix(o.Name(), "metrics-block") {
				find("Ingress/%s", o.Name())
			}
		}
	},
	"missingNetworkPolicy, non-isolated-pod, dangling-networkpolicy": func(e environment, find finding) {
		if len(e.of("NetworkPolicy")) != 2 {
			find("%d policies", len(e.of("NetworkPolicy")))
		}
	},
	"missingPodDisruptionBudget, deploymentMissingReplicas, minimum-three-replicas": func(e environment, find finding) {
		if len(e.of("PodDisruptionBudget")) != 1 {
			find("%d budgets", len(e.of("PodDisruptionBudget")))
		}
	},
	"service-type, exposed-services": func(e environment, find finding) {
		for _, o := range e.of("Service") {
			if kind := at(o.Fields, "spec.type"); kind != "ClusterIP" {
				find("Service/%s is a %v", o.Name(), kind)
			}
		}
	},
	"cpu and memory, requests and limits": func(e environment, find finding) {
		for name, spec := range e.pods {
			for _, c := range asList(spec["containers"]) {
				for _, r := range []string{"requests.cpu", "requests.memory", "limits.cpu", "limits.memory"} {
					if at(c.(map[string]any), "resources."+r) == nil {
						find("%s: %s", name, r)
					}
				}
			}
		}
	},
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case interface{ String() string }: // json.Number
		return v.String()
	}
	return ""
}

// policyWaivers are decisions, by environment.
var policyWaivers = map[string]map[string]string{
	"dev": {
		"missingPodDisruptionBudget, deploymentMissingReplicas, minimum-three-replicas": "one pod, as the requirements say: a budget would keep it on its node for ever",
		"tlsSettingsMissing": "no certificates for development, as the requirements say",
	},
}

// TestPolicies runs the checks on every environment; a waiver that is not
// needed fails too.
func TestPolicies(t *testing.T) {
	tree := repository(t)
	for _, name := range environments {
		list := mustRender(t, tree, name, "")
		list = slices.DeleteFunc(list, func(o manifest.Object) bool { return strings.HasSuffix(o.Name(), "-extra") })
		e := environment{list: list, pods: pods(list)}
		for _, check := range slices.Sorted(maps.Keys(policyChecks)) {
			count := 0
			waived := policyWaivers[name][check] != ""
			policyChecks[check](e, func(format string, args ...any) {
				count++
				if !waived {
					t.Errorf("%s: %s: "+format, append([]any{name, check}, args...)...)
				}
			})
			if waived && count == 0 {
				t.Errorf("%s: the waiver of %s is not needed", name, check)
			}
		}
	}
}

// TestPoliciesFind holds that the checks can fail: each finds something in
// values that ask for it.
func TestPoliciesFind(t *testing.T) {
	tree := repository(t)
	cases := []struct{ check, values string }{
		{"service-type, exposed-services", "service: {type: NodePort}"},
		{"tlsSettingsMissing", "ingress: {tls: false}"},
		{"missingNetworkPolicy, non-isolated-pod, dangling-networkpolicy", "networkPolicy: {enabled: false}"},
		{"missingPodDisruptionBudget, deploymentMissingReplicas, minimum-three-replicas", "pdb: {enabled: false}"},
		{"pdb-max-unavailable, pdb-min-available, pdbDisruptionsIsZero", "pdb: {maxUnavailable: 0}"},
		{"no-rolling-update-strategy", "strategy: {rollingUpdate: {maxUnavailable: 1}}"},
		{"no-anti-affinity, topologySpreadConstraint", "antiAffinity: none"},
		{"hpaMinAvailability, hpaMaxAvailability", "autoscaling: {minReplicas: 1}"},
		{"cpu and memory, requests and limits", "resources: {limits: {cpu: null}}"},
		{"non-existent-service-account, default-service-account", "serviceAccount: {create: false}"},
		{"liveness-port, readiness-port, startup-port, readinessProbeMissing, livenessProbeMissing", "readinessProbe: {httpGet: {port: 3001}}"},

		// What the chart itself never renders comes as an object of the user.
		{"dangling-service", "extraObjects: [{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {selector: {a: b}}}]"},
		{"dangling-hpa", "extraObjects: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: x}, spec: {scaleTargetRef: {name: x}}}]"},
		{"dangling-ingress", "extraObjects: [{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}, spec: {rules: [{http: {paths: [{backend: {service: {name: x}}}]}}]}}]"},
		{"dangling-servicemonitor", "extraObjects: [{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: x}, spec: {selector: {matchLabels: {a: b}}}}]"},
		{"mismatching-selector", "extraObjects: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}}}}]"},
		{"pdb-unhealthy-pod-eviction-policy", "extraObjects: [{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, spec: {maxUnavailable: 1}}]"},
		{"pdbMinAvailableGreaterThanHPAMinReplicas", "extraObjects: [{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, spec: {minAvailable: 3}}]"},
		{"invalid-target-ports, privileged-ports, ssh-port, hostPortSet", "extraObjects: [{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: x, ports: [{containerPort: 22}]}]}}]"},
		{"env-var-secret, sensitiveContainerEnvVar, sensitiveConfigmapContent", "extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {PASSWORD: x}}]"},
		{"restart-policy", "extraObjects: [{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {restartPolicy: Always}}]"},
		{"job-ttl-seconds-after-finished, backoff", "extraObjects: [{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {backoffLimit: 1, activeDeadlineSeconds: 1, ttlSecondsAfterFinished: 1, template: {spec: {}}}}]"},
		{"use-namespace", "{}"}, // below: the pipeline refuses it before
	}
	shown := map[string]bool{}
	for _, tc := range cases {
		check, values := tc.check, tc.values
		shown[check] = true
		list := mustRender(t, tree, "prod", values)
		if check == "use-namespace" {
			list[0].Fields["metadata"].(map[string]any)["namespace"] = "default"
		}
		e := environment{list: list, pods: pods(list)}
		found := false
		policyChecks[check](e, func(string, ...any) { found = true })
		if !found {
			t.Errorf("%s finds nothing in %s", check, values)
		}
	}
	for check := range policyChecks {
		if !shown[check] {
			t.Errorf("nothing shows that %s can find anything", check)
		}
	}
}
