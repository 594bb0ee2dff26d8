package chart

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

// strict is the least that strict validation wants.
const strict = "validation: {strict: true}\nsecret: {existingSecret: s}\nenv: {KAFKA_BROKERS: 'k:9092', POSTGRES_HOST: p, REDIS_HOST: r}\n"

// rules has every rule of _validate.tpl with its message, and for most a value
// next to it that is accepted.
var rules = []struct{ name, values, want string }{
	{"defaults", "", ""},
	{"strict", strict, ""},

	// Secrets.
	{"two modes", "secret: {create: true, existingSecret: s}", "secret.create, secret.existingSecret: are set together; choose one"},
	{"three modes", "secret: {create: true, existingSecret: s, externalSecret: {enabled: true, remoteKey: k, secretStoreRef: {name: store}}}", "secret.create, secret.existingSecret, secret.externalSecret.enabled: are set together; choose one"},
	{"no mode", "validation: {strict: true}\nenv: {KAFKA_BROKERS: 'k:9092', POSTGRES_HOST: p, REDIS_HOST: r}", "secret: no source of credentials; set secret.create, secret.existingSecret or secret.externalSecret.enabled"},
	{"external secret without store", "secret: {externalSecret: {enabled: true, remoteKey: k}}", "secret.externalSecret: needs secretStoreRef.name and remoteKey"},
	{"external secret without key", "secret: {externalSecret: {enabled: true, secretStoreRef: {name: store}}}", "secret.externalSecret: needs secretStoreRef.name and remoteKey"},
	{"created secret without user", strings.Replace(strict, "existingSecret: s", "create: true, stringData: {POSTGRES_PASSWORD: x}", 1), "secret.stringData.POSTGRES_USER: is empty"},
	{"created secret without password", strings.Replace(strict, "existingSecret: s", "create: true, stringData: {POSTGRES_USER: x}", 1), "secret.stringData.POSTGRES_PASSWORD: is empty"},
	{"credential in env", "env: {STRIPE_API_KEY: x}", "env.STRIPE_API_KEY: looks like a credential and would be public in a ConfigMap; move it to secret"},
	{"credential in feature flags", "featureFlags: {FEATURE_TOKEN: x}", "featureFlags.FEATURE_TOKEN: looks like a credential"},
	{"key in env and secret", "env: {POSTGRES_USER: x}\nsecret: {create: true}", "env.POSTGRES_USER: is a key of the Secret too; remove one"},
	{"key in env and external secret", "env: {REGION: x}\nsecret: {externalSecret: {enabled: true, remoteKey: k, secretStoreRef: {name: store}, keys: [REGION]}}", "env.REGION: is a key of the Secret too; remove one"},
	{"no credential", "env: {TOKENIZER: x}", "env.TOKENIZER: looks like a credential"},

	// What follows from other values.
	{"port in env", "env: {PORT: '8080'}", "env.PORT: differs from containerPort, which sets it; remove it from env"},
	{"the same port in env", "env: {PORT: '3000'}", ""},
	{"metrics in env", "env: {METRICS_ENABLED: 'false'}", "env.METRICS_ENABLED: differs from metrics.enabled"},
	{"metrics port in env", "env: {METRICS_PORT: '9464'}\nmetrics: {port: 9465}", "env.METRICS_PORT: differs from metrics.port"},
	{"tracing in env", "env: {TRACING_ENABLED: false}", "env.TRACING_ENABLED: differs from tracing.enabled"},
	{"environment in env", "env: {APP_ENV: a}\nenvironmentName: b", "env.APP_ENV: differs from environmentName"},
	{"no brokers", strings.Replace(strict, "KAFKA_BROKERS: 'k:9092', ", "", 1), "env.KAFKA_BROKERS: is empty"},
	{"no database", strings.Replace(strict, "POSTGRES_HOST: p, ", "", 1), "env.POSTGRES_HOST: is empty"},
	{"no cache", strings.Replace(strict, ", REDIS_HOST: r", "", 1), "env.REDIS_HOST: is empty"},

	// Image and resources.
	{"latest", strict + "image: {tag: latest}", "image.tag: latest names a different image every day; set a version"},
	{"latest, not strict", "image: {tag: latest}", ""},
	{"number", strict + "image: {tag: '1234567'}", "image.tag: 1234567 is a number to every tool that writes YAML; use a tag with another character in it"},
	{"decimal number", strict + "image: {tag: '1.10'}", "image.tag: 1.10 is a number"},
	{"exponent", strict + "image: {tag: '12e34'}", "image.tag: 12e34 is a number"},
	{"version", strict + "image: {tag: 1.10.0}", ""},
	{"cpu over limit", "resources: {requests: {cpu: '1'}}", "resources.requests.cpu: 1 exceeds the limit 500m; maps merge key by key, so give all four in each environment"},
	{"memory over limit", "resources: {limits: {memory: 100Mi}}", "resources.requests.memory: 256Mi exceeds the limit 100Mi"},
	{"memory in other units", "resources: {requests: {memory: 1Gi}, limits: {memory: 1073741824}}", ""},
	{"storage over limit", "resources: {requests: {ephemeral-storage: 1Gi}}", "resources.requests.ephemeral-storage: 1Gi exceeds the limit 256Mi"},
	{"job over limit", "hooks: {backup: {resources: {requests: {cpu: 2}, limits: {cpu: 1, memory: 1Gi}}}}", "hooks.backup.resources.requests.cpu: 2 exceeds the limit 1"},
	{"no memory limit", "resources: {limits: {memory: null}}", "resources.limits.memory: is needed for heapPercent; set it, or heapPercent to 0"},
	{"no memory limit and no heap", "resources: {limits: {memory: null}}\nheapPercent: 0", ""},

	{"job without memory limit", "hooks: {backup: {enabled: true, command: [x], destination: s3://b, resources: {requests: {cpu: 1}}}}", "hooks.backup.resources.limits.memory: is needed for heapPercent; set it, or heapPercent to 0"},
	{"volume of the chart", "extraVolumes: [{name: tmp}]", "extraVolumes: the name tmp is taken by the chart's own volume; choose another"},

	// Routing.
	{"ingress without host", "ingress: {enabled: true}", "ingress: is enabled without a host; set ingress.hostname"},
	{"ingress with another host", "ingress: {enabled: true, extraHosts: [{host: a.example.com}]}", ""},
	{"tls without issuer", "ingress: {enabled: true, hostname: a.example.com, tls: true}", "ingress.tls: needs ingress.certManager.clusterIssuer, ingress.certManager.issuer or ingress.tlsSecretName"},
	{"tls with secret", "ingress: {enabled: true, hostname: a.example.com, tls: true, tlsSecretName: t}", ""},
	{"two issuers", "ingress: {enabled: true, hostname: a.example.com, tls: true, certManager: {issuer: a, clusterIssuer: b}}", "ingress.certManager: clusterIssuer and issuer are set together; choose one"},
	{"limits without a controller", "ingress: {enabled: true, hostname: a.example.com, controller: other, policy: {rateLimit: {connections: 1}}}", "ingress.policy: rateLimit and cors are not rendered for controller other; use ingress.annotations"},
	{"cors without origins", "ingress: {enabled: true, hostname: a.example.com, policy: {cors: {enabled: true}}}", "ingress.policy.cors.allowOrigins: is empty; name the origins"},
	{"route without gateway", "httpRoute: {enabled: true}\ningress: {hostname: a.example.com}", "httpRoute.parentRefs: is empty; name the Gateway"},
	{"route without host", "httpRoute: {enabled: true, parentRefs: [{name: g}]}", "httpRoute: is enabled without a host; set ingress.hostname"},
	{"route with a rate limit", "httpRoute: {enabled: true, parentRefs: [{name: g}]}\ningress: {hostname: a.example.com, policy: {rateLimit: {requestsPerSecond: 5}}}", "ingress.policy.rateLimit: an HTTPRoute has none; set it to 0 and attach a policy of your Gateway"},
	{"route", "httpRoute: {enabled: true, parentRefs: [{name: g}]}\ningress: {hostname: a.example.com}", ""},
	{"policy without peers", strict + "networkPolicy: {enabled: true, egress: {postgres: [{podSelector: {}}], redis: [{podSelector: {}}], otlp: [{podSelector: {}}]}}", "networkPolicy.egress.kafka: has no peers, the pods could not reach it"},
	{"policy without traces", strict + "tracing: {enabled: false}\nnetworkPolicy: {enabled: true, egress: {kafka: [{podSelector: {}}], postgres: [{podSelector: {}}], redis: [{podSelector: {}}]}}", ""},

	// Scaling and lifecycle.
	{"autoscaler upside down", "autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 3}", "autoscaling: minReplicas 5 exceeds maxReplicas 3"},
	{"autoscaler without metric", "autoscaling: {enabled: true, targetCPUUtilizationPercentage: null, targetMemoryUtilizationPercentage: null}", "autoscaling: has no metric"},
	{"two autoscalers", "autoscaling: {enabled: true}\nkeda: {enabled: true, triggers: [{type: kafka}]}", "keda.enabled: autoscaling.enabled is set too, and two autoscalers would fight over the replicas; choose one"},
	{"KEDA without trigger", "keda: {enabled: true}", "keda.triggers: is empty"},
	{"KEDA upside down", "keda: {enabled: true, minReplicas: 11, triggers: [{type: kafka}]}", "keda: minReplicas 11 exceeds maxReplicas 10"},
	{"budget with both", "pdb: {minAvailable: 1}", "pdb: set one of minAvailable and maxUnavailable, the other to \"\""},
	{"budget with neither", "pdb: {maxUnavailable: ''}", "pdb: set one of minAvailable and maxUnavailable, the other to \"\""},
	{"budget that blocks", strict + "pdb: {minAvailable: 2, maxUnavailable: ''}", "pdb.minAvailable: 2 of 2 guaranteed pods leaves none that a drain may take; lower it"},
	{"budget that blocks by percentage", strict + "pdb: {minAvailable: 100%, maxUnavailable: ''}", "pdb.minAvailable: 100% of 2 guaranteed pods leaves none that a drain may take; lower it"},
	{"budget that blocks an autoscaler's minimum", strict + "autoscaling: {enabled: true, minReplicas: 3}\npdb: {minAvailable: 3, maxUnavailable: ''}", "pdb.minAvailable: 3 of 3 guaranteed pods leaves none that a drain may take; lower it"},
	{"budget that lets one go", strict + "pdb: {minAvailable: 1, maxUnavailable: ''}", ""},
	{"budget of nothing", "pdb: {maxUnavailable: 0}", ""},
	{"rollout that cannot move", "strategy: {rollingUpdate: {maxSurge: 0}}", "strategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set one"},
	{"rollout that cannot move by percentage", "strategy: {rollingUpdate: {maxSurge: 0%, maxUnavailable: 0%}}", "strategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set one"},
	{"rollout without surge", "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}", ""},
	{"short grace period", "terminationGracePeriodSeconds: 39", "terminationGracePeriodSeconds: 39 is shorter than preStopSleepSeconds + drainSeconds, 40"},
	{"exact grace period", "terminationGracePeriodSeconds: 40", ""},
	{"monitor without metrics", "serviceMonitor: {enabled: true}\nmetrics: {enabled: false}", "serviceMonitor.enabled: needs metrics.enabled"},
	{"scrape longer than its interval", "serviceMonitor: {interval: 1m, scrapeTimeout: 90s}", "serviceMonitor.scrapeTimeout: 90s is longer than the interval 1m"},
	{"scrape as long as its interval", "serviceMonitor: {interval: 1m30s, scrapeTimeout: 90s}", ""},
	{"alerts without targets", strict + "prometheusRule: {enabled: true}", "prometheusRule.enabled: the alerts look for the targets of the ServiceMonitor, and one would fire for ever; set serviceMonitor.enabled"},
	{"metrics on the port of the application", "metrics: {port: 3000}", "metrics.port: 3000 is containerPort too; choose another, or null"},
	{"metrics on the port of the service", "metrics: {port: 8080}\nservice: {port: 8080}", "metrics.port: 8080 is service.port too; choose another, or null"},

	// Hooks.
	{"migration without command", "hooks: {migration: {enabled: true}}", "hooks.migration.command: is empty"},
	{"migration before the secret", "hooks: {migration: {enabled: true, command: [x]}}\nsecret: {create: true}", "hooks.migration: with hooks.mode helm it runs before this chart's Secret exists; use secret.existingSecret or hooks.mode argocd"},
	{"migration with Argo CD", "hooks: {mode: argocd, migration: {enabled: true, command: [x]}}\nsecret: {create: true}", ""},
	{"backup without command", "hooks: {backup: {enabled: true, destination: s3://b}}", "hooks.backup.command: is empty"},
	{"backup to nowhere", "hooks: {backup: {enabled: true, command: [x]}}", "hooks.backup: has nowhere to go; set destination or existingClaim"},
	{"backup to a volume", "hooks: {backup: {enabled: true, command: [x], existingClaim: c}}", ""},
}

var (
	ruleMessage = regexp.MustCompile(`append \$problems (?:\(printf )?"((?:[^"\\]|\\.)+)"`)
	ruleVerb    = regexp.MustCompile(`%[dsv]`)
)

// TestRules holds every rule to its message, and every message to a case.
func TestRules(t *testing.T) {
	tree := repository(t)
	var said []string
	for _, tc := range rules {
		t.Run(tc.name, func(t *testing.T) {
			_, err := render(t, tree, "", tc.values)
			if err != nil {
				said = append(said, plugin.Message(err))
			}
			switch {
			case tc.want == "" && err != nil:
				t.Error(plugin.Message(err))
			case tc.want != "" && err == nil:
				t.Errorf("accepted; want %s", tc.want)
			case tc.want != "" && !strings.Contains(plugin.Message(err), "1 problem(s) in the values: "+tc.want):
				t.Errorf("got  %s\nwant %s", plugin.Message(err), tc.want)
			}
		})
	}
	written := ruleMessage.FindAllStringSubmatch(string(tree[path.Join(dir, "templates/_validate.tpl")].Data), -1)
	if len(written) < 35 {
		t.Errorf("found %d messages", len(written))
	}
	for _, m := range written {
		text := strings.ReplaceAll(m[1], `\"`, `"`)
		want := regexp.MustCompile(ruleVerb.ReplaceAllString(regexp.QuoteMeta(text), ".+"))
		if !slices.ContainsFunc(said, want.MatchString) {
			t.Errorf("no case has the message %q", text)
		}
	}
}

// TestAllProblems holds that every problem is in one message.
func TestAllProblems(t *testing.T) {
	_, err := render(t, repository(t), "", "ingress: {enabled: true, tls: true}\nautoscaling: {enabled: true, minReplicas: 5, maxReplicas: 3}\nenv: {PORT: '1'}")
	if err == nil || strings.Count(err.Error(), "\n") != 3 || !strings.Contains(err.Error(), "4 problem(s) in the values") {
		t.Errorf("got %v", err)
	}
}
