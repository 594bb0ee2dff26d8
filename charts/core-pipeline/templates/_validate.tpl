{{/* A duration such as 1m30s in milliseconds. */}}
{{- define "core-pipeline.milliseconds" -}}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 }}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* Rules that cross fields, which values.schema.json cannot express. All problems are reported in one message. */}}
{{- define "core-pipeline.validate" -}}
{{- $problems := list }}
{{- $strict := .Values.validation.strict }}
{{- $secret := .Values.secret }}
{{- $external := $secret.externalSecret }}

{{- $modes := list }}
{{- if $secret.create }}{{ $modes = append $modes "secret.create" }}{{ end }}
{{- if $secret.existingSecret }}{{ $modes = append $modes "secret.existingSecret" }}{{ end }}
{{- if $external.enabled }}{{ $modes = append $modes "secret.externalSecret.enabled" }}{{ end }}
{{- if gt (len $modes) 1 }}
{{- $problems = append $problems (printf "%s: are set together; choose one" (join ", " $modes)) }}
{{- end }}
{{- if and $strict (not $modes) }}
{{- $problems = append $problems "secret: no source of credentials; set secret.create, secret.existingSecret or secret.externalSecret.enabled" }}
{{- end }}
{{- if and $external.enabled (or (not $external.secretStoreRef.name) (not $external.remoteKey)) }}
{{- $problems = append $problems "secret.externalSecret: needs secretStoreRef.name and remoteKey" }}
{{- end }}
{{- if and $strict $secret.create }}
{{- range list "POSTGRES_USER" "POSTGRES_PASSWORD" }}
{{- if not (get $secret.stringData .) }}
{{- $problems = append $problems (printf "secret.stringData.%s: is empty" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- $secretKeys := list }}
{{- if $secret.create }}{{ $secretKeys = keys $secret.stringData }}{{ end }}
{{- if $external.enabled }}{{ $secretKeys = $external.keys }}{{ end }}
{{- range $path, $map := dict "env" .Values.env "featureFlags" .Values.featureFlags }}
{{- range $key, $_ := $map }}
{{- if has $key $secretKeys }}
{{- $problems = append $problems (printf "%s.%s: is a key of the Secret too; remove one" $path $key) }}
{{- else if regexMatch "(?i)(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|(PRIVATE|API|ACCESS)_?KEY)" $key }}
{{- $problems = append $problems (printf "%s.%s: looks like a credential and would be public in a ConfigMap; move it to secret" $path $key) }}
{{- end }}
{{- end }}
{{- end }}

{{- $derived := include "core-pipeline.configData" (dict "root" . "resources" .Values.resources) | fromYaml }}
{{- range $key, $source := dict "PORT" "containerPort" "METRICS_ENABLED" "metrics.enabled" "METRICS_PORT" "metrics.port" "TRACING_ENABLED" "tracing.enabled" "APP_ENV" "environmentName" }}
{{- if and (hasKey $.Values.env $key) (ne (get $.Values.env $key | toString) (get $derived $key)) }}
{{- $problems = append $problems (printf "env.%s: differs from %s, which sets it; remove it from env" $key $source) }}
{{- end }}
{{- end }}
{{- if $strict }}
{{- range list "KAFKA_BROKERS" "POSTGRES_HOST" "REDIS_HOST" }}
{{- if not (get $.Values.env .) }}
{{- $problems = append $problems (printf "env.%s: is empty" .) }}
{{- end }}
{{- end }}
{{- $tag := include "core-pipeline.tag" . }}
{{- if eq $tag "latest" }}
{{- $problems = append $problems "image.tag: latest names a different image every day; set a version" }}
{{- else if regexMatch "^[0-9]+([.][0-9]+)?(e[0-9]+)?$" $tag }}
{{- $problems = append $problems (printf "image.tag: %s is a number to every tool that writes YAML; use a tag with another character in it" $tag) }}
{{- end }}
{{- end }}

{{- $all := dict "resources" .Values.resources "tests.resources" .Values.tests.resources }}
{{- range $name := list "backup" "migration" "smokeTest" "verification" }}
{{- with (get $.Values.hooks $name).resources }}
{{- $_ := set $all (printf "hooks.%s.resources" $name) . }}
{{- end }}
{{- end }}
{{- range $path, $resources := $all }}
{{- range $resource, $request := $resources.requests }}
{{- $limit := get ($resources.limits | default dict) $resource }}
{{- if and $limit (gt (include "core-pipeline.milli" $request | int64) (include "core-pipeline.milli" $limit | int64)) }}
{{- $problems = append $problems (printf "%s.requests.%s: %v exceeds the limit %v; maps merge key by key, so give all four in each environment" $path $resource $request $limit) }}
{{- end }}
{{- end }}
{{- if and (gt (int $.Values.heapPercent) 0) (not (get ($resources.limits | default dict) "memory")) }}
{{- $problems = append $problems (printf "%s.limits.memory: is needed for heapPercent; set it, or heapPercent to 0" $path) }}
{{- end }}
{{- end }}

{{- if .Values.ingress.enabled }}
{{- if not (or .Values.ingress.hostname .Values.ingress.extraHosts) }}
{{- $problems = append $problems "ingress: is enabled without a host; set ingress.hostname" }}
{{- end }}
{{- $issuers := .Values.ingress.certManager }}
{{- if and .Values.ingress.tls (not (or $issuers.clusterIssuer $issuers.issuer .Values.ingress.tlsSecretName)) }}
{{- $problems = append $problems "ingress.tls: needs ingress.certManager.clusterIssuer, ingress.certManager.issuer or ingress.tlsSecretName" }}
{{- end }}
{{- if and $issuers.clusterIssuer $issuers.issuer }}
{{- $problems = append $problems "ingress.certManager: clusterIssuer and issuer are set together; choose one" }}
{{- end }}
{{- $policy := .Values.ingress.policy }}
{{- $limited := or (gt (int $policy.rateLimit.requestsPerSecond) 0) (gt (int $policy.rateLimit.connections) 0) }}
{{- if and (eq .Values.ingress.controller "other") (or $limited $policy.cors.enabled) }}
{{- $problems = append $problems "ingress.policy: rateLimit and cors are not rendered for controller other; use ingress.annotations" }}
{{- end }}
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) .Values.ingress.policy.cors.enabled (not .Values.ingress.policy.cors.allowOrigins) }}
{{- $problems = append $problems "ingress.policy.cors.allowOrigins: is empty; name the origins" }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- if not .Values.httpRoute.parentRefs }}
{{- $problems = append $problems "httpRoute.parentRefs: is empty; name the Gateway" }}
{{- end }}
{{- if not (or .Values.ingress.hostname .Values.ingress.extraHosts) }}
{{- $problems = append $problems "httpRoute: is enabled without a host; set ingress.hostname" }}
{{- end }}
{{- $limit := .Values.ingress.policy.rateLimit }}
{{- if and (not .Values.ingress.enabled) (or (gt (int $limit.requestsPerSecond) 0) (gt (int $limit.connections) 0)) }}
{{- $problems = append $problems "ingress.policy.rateLimit: an HTTPRoute has none; set it to 0 and attach a policy of your Gateway" }}
{{- end }}
{{- end }}

{{- if and .Values.networkPolicy.enabled $strict }}
{{- range $name := list "dns" "kafka" "postgres" "redis" "otlp" }}
{{- if and (not (get $.Values.networkPolicy.egress $name)) (or (ne $name "otlp") $.Values.tracing.enabled) }}
{{- $problems = append $problems (printf "networkPolicy.egress.%s: has no peers, the pods could not reach it" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- if .Values.autoscaling.enabled }}
{{- $scaling := .Values.autoscaling }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- $problems = append $problems (printf "autoscaling: minReplicas %d exceeds maxReplicas %d" (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- end }}
{{- if not (or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage $scaling.metrics) }}
{{- $problems = append $problems "autoscaling: has no metric" }}
{{- end }}
{{- end }}
{{- with .Values.keda }}
{{- if and .enabled $.Values.autoscaling.enabled }}
{{- $problems = append $problems "keda.enabled: autoscaling.enabled is set too, and two autoscalers would fight over the replicas; choose one" }}
{{- end }}
{{- if and .enabled (not .triggers) }}
{{- $problems = append $problems "keda.triggers: is empty" }}
{{- end }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- $problems = append $problems (printf "keda: minReplicas %d exceeds maxReplicas %d" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- $budget := 0 }}
{{- range list "minAvailable" "maxUnavailable" }}
{{- if ne (get $.Values.pdb . | toString) "" }}{{ $budget = add1 $budget }}{{ end }}
{{- end }}
{{- if and .Values.pdb.enabled (ne (int $budget) 1) }}
{{- $problems = append $problems "pdb: set one of minAvailable and maxUnavailable, the other to \"\"" }}
{{- end }}
{{- /* A budget counts pods that are there, so only the guaranteed ones can be taken away safely. */}}
{{- $least := include "core-pipeline.minReplicas" . | int }}
{{- if and $strict .Values.pdb.enabled (ge $least 2) (or (eq (toString .Values.pdb.minAvailable) "100%") (and (not (kindIs "string" .Values.pdb.minAvailable)) (ge (int .Values.pdb.minAvailable) $least))) }}
{{- $problems = append $problems (printf "pdb.minAvailable: %v of %d guaranteed pods leaves none that a drain may take; lower it" .Values.pdb.minAvailable $least) }}
{{- end }}
{{- $rolling := .Values.strategy.rollingUpdate }}
{{- if and (eq .Values.strategy.type "RollingUpdate") (has (toString $rolling.maxSurge) (list "0" "0%")) (has (toString $rolling.maxUnavailable) (list "0" "0%")) }}
{{- $problems = append $problems "strategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced; set one" }}
{{- end }}
{{- range .Values.extraVolumes }}
{{- if eq (get . "name") "tmp" }}
{{- $problems = append $problems "extraVolumes: the name tmp is taken by the chart's own volume; choose another" }}
{{- end }}
{{- end }}
{{- $needed := add (int .Values.preStopSleepSeconds) (int .Values.drainSeconds) }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds: %d is shorter than preStopSleepSeconds + drainSeconds, %d" (int .Values.terminationGracePeriodSeconds) $needed) }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- $problems = append $problems "serviceMonitor.enabled: needs metrics.enabled" }}
{{- end }}
{{- $monitor := .Values.serviceMonitor }}
{{- if gt (include "core-pipeline.milliseconds" $monitor.scrapeTimeout | int) (include "core-pipeline.milliseconds" $monitor.interval | int) }}
{{- $problems = append $problems (printf "serviceMonitor.scrapeTimeout: %s is longer than the interval %s" $monitor.scrapeTimeout $monitor.interval) }}
{{- end }}
{{- if and $strict .Values.prometheusRule.enabled (not $monitor.enabled) }}
{{- $problems = append $problems "prometheusRule.enabled: the alerts look for the targets of the ServiceMonitor, and one would fire for ever; set serviceMonitor.enabled" }}
{{- end }}
{{- range $path := list "containerPort" "service.port" }}
{{- $port := ternary $.Values.containerPort $.Values.service.port (eq $path "containerPort") }}
{{- if and $.Values.metrics.port (eq (int $.Values.metrics.port) (int $port)) }}
{{- $problems = append $problems (printf "metrics.port: %d is %s too; choose another, or null" (int $port) $path) }}
{{- end }}
{{- end }}

{{- $migration := .Values.hooks.migration }}
{{- if and $migration.enabled (not $migration.command) }}
{{- $problems = append $problems "hooks.migration.command: is empty" }}
{{- end }}
{{- if and $migration.enabled (eq .Values.hooks.mode "helm") (or $secret.create $external.enabled) }}
{{- $problems = append $problems "hooks.migration: with hooks.mode helm it runs before this chart's Secret exists; use secret.existingSecret or hooks.mode argocd" }}
{{- end }}

{{- with .Values.hooks.backup }}
{{- if and .enabled (not .command) }}
{{- $problems = append $problems "hooks.backup.command: is empty" }}
{{- end }}
{{- if and .enabled (not (or .destination .existingClaim)) }}
{{- $problems = append $problems "hooks.backup: has nowhere to go; set destination or existingClaim" }}
{{- end }}
{{- end }}

{{- if $problems }}
{{- fail (printf "%d problem(s) in the values: %s" (len $problems) (join "\n  " $problems)) }}
{{- end }}
{{- end }}
