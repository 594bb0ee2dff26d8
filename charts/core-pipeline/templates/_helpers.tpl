{{/* Chart name for the name label. */}}
{{- define "core-pipeline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Base name of all objects, at most 63 characters. */}}
{{- define "core-pipeline.fullname" -}}
{{- $name := include "core-pipeline.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Base name with a suffix; shortens the base, never the suffix. Input: root, suffix, max (default 63). */}}
{{- define "core-pipeline.componentName" -}}
{{- $room := sub (.max | default 63) (add1 (len .suffix)) | int }}
{{- printf "%s-%s" (include "core-pipeline.fullname" .root | trunc $room | trimSuffix "-") .suffix }}
{{- end }}

{{/* Labels of objects. Input: root, component. */}}
{{- define "core-pipeline.labels" -}}
{{ include "core-pipeline.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- end }}

{{/* Labels of pods: without the chart version, so that a chart upgrade alone restarts nothing. Input: root, component. */}}
{{- define "core-pipeline.podLabels" -}}
{{ include "core-pipeline.selectorLabels" . }}
app.kubernetes.io/version: {{ regexReplaceAll "[^A-Za-z0-9._-]" (include "core-pipeline.tag" .root) "-" | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- end }}

{{/* Selector labels. Frozen: selectors are immutable, a change here breaks every upgrade. Input: root, component. */}}
{{- define "core-pipeline.selectorLabels" -}}
app.kubernetes.io/name: {{ include "core-pipeline.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end }}

{{/* Image tag. */}}
{{- define "core-pipeline.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Image reference: repository:tag, with @digest where one is set. */}}
{{- define "core-pipeline.image" -}}
{{- printf "%s:%s" .Values.image.repository (include "core-pipeline.tag" .) }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Name of the pods' ServiceAccount. */}}
{{- define "core-pipeline.serviceAccountName" -}}
{{- $default := ternary (include "core-pipeline.fullname" .) "default" .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}

{{/* Name of the Secret the pods read, empty where no secret mode is chosen. */}}
{{- define "core-pipeline.secretName" -}}
{{- if .Values.secret.existingSecret }}
{{- .Values.secret.existingSecret }}
{{- else if or .Values.secret.create .Values.secret.externalSecret.enabled }}
{{- include "core-pipeline.fullname" . }}
{{- end }}
{{- end }}

{{/* Data of the ConfigMap: env and feature flags, then what follows from other values. YAML with sorted keys. */}}
{{- define "core-pipeline.configData" -}}
{{- $data := dict }}
{{- range $key, $value := merge (dict) .Values.env .Values.featureFlags }}
{{- if kindIs "float64" $value }}
{{- $_ := set $data $key (int64 $value | toString) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $_ := set $data $key (toString $value) }}
{{- end }}
{{- end }}
{{- $_ := set $data "PORT" (int .Values.containerPort | toString) }}
{{- $_ := set $data "METRICS_ENABLED" (toString .Values.metrics.enabled) }}
{{- $_ := set $data "TRACING_ENABLED" (toString .Values.tracing.enabled) }}
{{- toYaml $data }}
{{- end }}

{{/* Annotations of the application's pods. The checksums cover data only: a new chart version or label restarts nothing. */}}
{{- define "core-pipeline.podAnnotations" -}}
{{- $annotations := dict "checksum/config" (include "core-pipeline.configData" . | sha256sum) }}
{{- if .Values.secret.create }}
{{- $_ := set $annotations "checksum/secret" (toYaml .Values.secret.stringData | sha256sum) }}
{{- end }}
{{- $auto := and (eq .Values.metrics.scrapeAnnotations "auto") (not .Values.serviceMonitor.enabled) }}
{{- if and .Values.metrics.enabled (or $auto (eq .Values.metrics.scrapeAnnotations "always")) }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/path" .Values.metrics.path }}
{{- $_ := set $annotations "prometheus.io/port" (int .Values.containerPort | toString) }}
{{- end }}
{{- toYaml (merge (deepCopy (.Values.podAnnotations | default dict)) $annotations) }}
{{- end }}

{{/* Annotations of objects that must exist before a hook runs. Input: root, annotations (optional, win), syncOptions (optional). */}}
{{- define "core-pipeline.earlyAnnotations" -}}
{{- $annotations := dict }}
{{- if eq .root.Values.hooks.mode "argocd" }}
{{- $_ := set $annotations "argocd.argoproj.io/sync-wave" "-2" }}
{{- end }}
{{- with .syncOptions }}
{{- $_ := set $annotations "argocd.argoproj.io/sync-options" . }}
{{- end }}
{{- with merge (deepCopy (.annotations | default dict)) $annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of the Ingress: what the controller and cert-manager need, then the user's own. */}}
{{- define "core-pipeline.ingressAnnotations" -}}
{{- $annotations := dict }}
{{- $policy := .Values.ingress.policy }}
{{- if .Values.ingress.tls }}
{{- with .Values.ingress.certManager.clusterIssuer }}
{{- $_ := set $annotations "cert-manager.io/cluster-issuer" . }}
{{- end }}
{{- with .Values.ingress.certManager.issuer }}
{{- $_ := set $annotations "cert-manager.io/issuer" . }}
{{- end }}
{{- end }}
{{- if eq .Values.ingress.controller "nginx" }}
{{- $nginx := dict "proxy-body-size" $policy.bodySize }}
{{- $_ := set $nginx "proxy-connect-timeout" (int $policy.timeouts.connectSeconds | toString) }}
{{- $_ := set $nginx "proxy-read-timeout" (int $policy.timeouts.readSeconds | toString) }}
{{- $_ := set $nginx "proxy-send-timeout" (int $policy.timeouts.sendSeconds | toString) }}
{{- if gt (int $policy.rateLimit.requestsPerSecond) 0 }}
{{- $_ := set $nginx "limit-rps" (int $policy.rateLimit.requestsPerSecond | toString) }}
{{- $_ := set $nginx "limit-burst-multiplier" (int $policy.rateLimit.burstMultiplier | toString) }}
{{- end }}
{{- if gt (int $policy.rateLimit.connections) 0 }}
{{- $_ := set $nginx "limit-connections" (int $policy.rateLimit.connections | toString) }}
{{- end }}
{{- if $policy.cors.enabled }}
{{- $_ := set $nginx "enable-cors" "true" }}
{{- $_ := set $nginx "cors-allow-origin" (join ", " $policy.cors.allowOrigins) }}
{{- $_ := set $nginx "cors-allow-methods" (join ", " $policy.cors.allowMethods) }}
{{- $_ := set $nginx "cors-allow-headers" (join ", " $policy.cors.allowHeaders) }}
{{- $_ := set $nginx "cors-allow-credentials" (toString $policy.cors.allowCredentials) }}
{{- $_ := set $nginx "cors-max-age" (int $policy.cors.maxAgeSeconds | toString) }}
{{- end }}
{{- range $key, $value := $nginx }}
{{- $_ := set $annotations (printf "nginx.ingress.kubernetes.io/%s" $key) $value }}
{{- end }}
{{- else if and (eq .Values.ingress.controller "traefik") .Values.ingress.tls }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.entrypoints" "websecure" }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.tls" "true" }}
{{- end }}
{{- with merge (deepCopy (.Values.ingress.annotations | default dict)) $annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Ports of the dependencies, read from the application's own settings. YAML: dependency -> list of ports. */}}
{{- define "core-pipeline.egressPorts" -}}
{{- $kafka := list }}
{{- range splitList "," (.Values.env.KAFKA_BROKERS | default "") }}
{{- $kafka = append $kafka (trim . | regexFind ":[0-9]+$" | trimPrefix ":" | default "9092" | int) }}
{{- end }}
{{- $url := urlParse (.Values.env.OTEL_EXPORTER_OTLP_ENDPOINT | default "") }}
{{- $otlp := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- dict "kafka" (uniq $kafka) "postgres" (list (int .Values.env.POSTGRES_PORT)) "redis" (list (int .Values.env.REDIS_PORT)) "otlp" (list (int $otlp)) | toYaml }}
{{- end }}

{{/* Pods guaranteed at any time: the autoscaler's minimum or the replica count. */}}
{{- define "core-pipeline.minReplicas" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- end }}
