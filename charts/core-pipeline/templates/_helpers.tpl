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

{{/* Metadata of an object. Input: root, component, name (default: the base name), labels and annotations (maps, optional). */}}
{{- define "core-pipeline.metadata" -}}
name: {{ .name | default (include "core-pipeline.fullname" .root) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "core-pipeline.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* A Kubernetes quantity in thousandths: cpu 250m is 250, memory 1Ki is 1024000. 0 where it is not one. */}}
{{- define "core-pipeline.milli" -}}
{{- if kindIs "float64" . }}{{ mulf . 1000 | int64 }}
{{- else }}
{{- $text := toString . }}
{{- $factors := dict "" 1e3 "m" 1 "k" 1e6 "M" 1e9 "G" 1e12 "T" 1e15 "Ki" 1024e3 "Mi" 1048576e3 "Gi" 1073741824e3 "Ti" 1099511627776e3 }}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $factors (regexFind "[A-Za-z]*$" $text) | default 0 | float64) | int64 }}
{{- end }}
{{- end }}

{{/* Public environment: env and feature flags, then what follows from other values. YAML with sorted keys. Input: root, resources. */}}
{{- define "core-pipeline.configData" -}}
{{- $values := .root.Values }}
{{- $data := dict "HOME" "/tmp" }}
{{- range $key, $value := merge (dict) $values.env $values.featureFlags }}
{{- if kindIs "float64" $value }}
{{- $_ := set $data $key (int64 $value | toString) }}
{{- else }}
{{- $_ := set $data $key (toString $value) }}
{{- end }}
{{- end }}
{{- $_ := set $data "PORT" (int $values.containerPort | toString) }}
{{- $_ := set $data "METRICS_ENABLED" (toString $values.metrics.enabled) }}
{{- $_ := set $data "TRACING_ENABLED" (toString $values.tracing.enabled) }}
{{- with $values.environmentName }}
{{- $_ := set $data "APP_ENV" . }}
{{- end }}
{{- with $values.metrics.port }}
{{- $_ := set $data "METRICS_PORT" (int . | toString) }}
{{- end }}
{{- with $values.heapPercent }}
{{- /* V8 does not know the container's limit in every version of Node.js, and a heap without bound ends in an OOM kill. */}}
{{- $heap := div (mul (int .) (dig "limits" "memory" 0 $.resources | include "core-pipeline.milli" | int64)) 104857600000 }}
{{- $_ := set $data "NODE_OPTIONS" (printf "%s --max-old-space-size=%d" (get $data "NODE_OPTIONS") $heap | trim) }}
{{- end }}
{{- toYaml $data }}
{{- end }}

{{/* Environment that only the container knows: who it is, for traces. References need the variables before them. */}}
{{- define "core-pipeline.containerEnv" -}}
{{- if .Values.tracing.enabled -}}
env:
  {{- range $name, $path := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "NODE_NAME" "spec.nodeName" }}
  - name: {{ $name }}
    valueFrom:
      fieldRef:
        fieldPath: {{ $path }}
  {{- end }}
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: {{ printf "service.version=%s,deployment.environment.name=%s,k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME)%s" (include "core-pipeline.tag" .) (.Values.environmentName | default .Values.env.NODE_ENV) (get .Values.env "OTEL_RESOURCE_ATTRIBUTES" | toString | printf ",%s" | trimSuffix ",") | quote }}
{{- end }}
{{- end }}

{{/* Annotations of the application's pods. The checksums cover data only: a new chart version or label restarts nothing. */}}
{{- define "core-pipeline.podAnnotations" -}}
{{- $annotations := dict "checksum/config" (include "core-pipeline.configData" (dict "root" . "resources" .Values.resources) | sha256sum) }}
{{- if .Values.secret.create }}
{{- $_ := set $annotations "checksum/secret" (toYaml .Values.secret.stringData | sha256sum) }}
{{- end }}
{{- $auto := and (eq .Values.metrics.scrapeAnnotations "auto") (not .Values.serviceMonitor.enabled) }}
{{- if and .Values.metrics.enabled (or $auto (eq .Values.metrics.scrapeAnnotations "always")) }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/path" .Values.metrics.path }}
{{- $_ := set $annotations "prometheus.io/port" (.Values.metrics.port | default .Values.containerPort | int | toString) }}
{{- end }}
{{- with .Values.rolloutToken }}
{{- $_ := set $annotations "core-pipeline.io/rollout-token" . }}
{{- end }}
{{- toYaml (merge (deepCopy (.Values.podAnnotations | default dict)) $annotations) }}
{{- end }}

{{/* Annotations of objects that must exist before a hook runs, as YAML. Input: root, annotations (optional, win). */}}
{{- define "core-pipeline.earlyAnnotations" -}}
{{- $wave := ternary (dict "argocd.argoproj.io/sync-wave" "-3") dict (eq .root.Values.hooks.mode "argocd") }}
{{- merge (dict) (.annotations | default dict) $wave | toYaml }}
{{- end }}

{{/* "true" if an object of a custom API is to be rendered. Input: root, api (group/version/Kind). */}}
{{- define "core-pipeline.renderCustom" -}}
{{- if or (eq .root.Values.renderMode "always") (.root.Capabilities.APIVersions.Has .api) }}true{{ end }}
{{- end }}

{{/* Annotation of objects whose CRD may be installed by the same sync, as YAML. Input: annotations (optional). */}}
{{- define "core-pipeline.customAnnotations" -}}
{{- merge (dict) (.annotations | default dict) (dict "argocd.argoproj.io/sync-options" "SkipDryRunOnMissingResource=true") | toYaml }}
{{- end }}

{{/* Hosts with their paths: the main one, then the others. YAML below "hosts". */}}
{{- define "core-pipeline.hosts" -}}
{{- $mainPaths := list (dict "path" .Values.ingress.path "pathType" .Values.ingress.pathType) }}
{{- $hosts := list }}
{{- with .Values.ingress.hostname }}
{{- $hosts = append $hosts (dict "host" . "paths" $mainPaths) }}
{{- end }}
{{- range .Values.ingress.extraHosts }}
{{- $hosts = append $hosts (dict "host" .host "paths" (.paths | default $mainPaths)) }}
{{- end }}
{{- dict "hosts" $hosts | toYaml }}
{{- end }}

{{/* Middlewares of Traefik that ingress.policy asks for: suffix -> spec, as YAML. Empty for other controllers. */}}
{{- define "core-pipeline.middlewares" -}}
{{- $policy := .Values.ingress.policy }}
{{- $all := dict }}
{{- if and .Values.ingress.enabled (eq .Values.ingress.controller "traefik") }}
{{- $client := dict "ipStrategy" (dict "depth" 0) }}
{{- $rate := int $policy.rateLimit.requestsPerSecond }}
{{- if gt $rate 0 }}
{{- $_ := set $all "rate-limit" (dict "rateLimit" (dict "average" $rate "burst" (mul $rate (int $policy.rateLimit.burstMultiplier)) "sourceCriterion" $client)) }}
{{- end }}
{{- if gt (int $policy.rateLimit.connections) 0 }}
{{- $_ := set $all "in-flight" (dict "inFlightReq" (dict "amount" (int $policy.rateLimit.connections) "sourceCriterion" $client)) }}
{{- end }}
{{- if $policy.cors.enabled }}
{{- $cors := $policy.cors }}
{{- $_ := set $all "cors" (dict "headers" (dict "accessControlAllowOriginList" $cors.allowOrigins "accessControlAllowMethods" $cors.allowMethods "accessControlAllowHeaders" $cors.allowHeaders "accessControlAllowCredentials" $cors.allowCredentials "accessControlMaxAge" (int $cors.maxAgeSeconds) "addVaryHeader" true)) }}
{{- end }}
{{- /* nginx writes 1m for a mebibyte. */}}
{{- $bytes := div (include "core-pipeline.milli" (regexReplaceAll "([kmg])$" (lower $policy.bodySize) "${1}i" | replace "ki" "Ki" | replace "mi" "Mi" | replace "gi" "Gi") | int64) 1000 }}
{{- if gt $bytes 0 }}
{{- $_ := set $all "body-size" (dict "buffering" (dict "maxRequestBodyBytes" $bytes)) }}
{{- end }}
{{- end }}
{{- toYaml $all }}
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
{{- else if eq .Values.ingress.controller "traefik" }}
{{- if .Values.ingress.tls }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.entrypoints" "websecure" }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.tls" "true" }}
{{- end }}
{{- $references := list }}
{{- range $suffix, $_ := include "core-pipeline.middlewares" . | fromYaml }}
{{- $references = append $references (printf "%s-%s@kubernetescrd" $.Release.Namespace (include "core-pipeline.componentName" (dict "root" $ "suffix" $suffix))) }}
{{- end }}
{{- with $references }}
{{- $_ := set $annotations "traefik.ingress.kubernetes.io/router.middlewares" (join "," .) }}
{{- end }}
{{- end }}
{{- merge (dict) (.Values.ingress.annotations | default dict) $annotations | toYaml }}
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

{{/* Pods guaranteed at any time: an autoscaler's minimum or the replica count. */}}
{{- define "core-pipeline.minReplicas" -}}
{{- if .Values.keda.enabled }}{{ int .Values.keda.minReplicas }}
{{- else }}{{ ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- end }}
{{- end }}

{{/* Egress rules of every pod of the chart, as YAML: DNS, each dependency with peers, the user's own. */}}
{{- define "core-pipeline.egressRules" -}}
{{- $egress := .Values.networkPolicy.egress }}
{{- $rules := list }}
{{- with $egress.dns }}
{{- $ports := list }}
{{- range $port := list 53 5353 }}
{{- range $protocol := list "UDP" "TCP" }}
{{- $ports = append $ports (dict "port" $port "protocol" $protocol) }}
{{- end }}
{{- end }}
{{- $rules = append $rules (dict "to" . "ports" $ports) }}
{{- end }}
{{- $dependencies := ternary (list "kafka" "postgres" "redis" "otlp") (list "kafka" "postgres" "redis") .Values.tracing.enabled }}
{{- $known := include "core-pipeline.egressPorts" . | fromYaml }}
{{- range $name := $dependencies }}
{{- /* A rule without peers would mean everyone: none is written then. */}}
{{- with get $egress $name }}
{{- $ports := list }}
{{- range get $known $name }}
{{- $ports = append $ports (dict "port" (int .) "protocol" "TCP") }}
{{- end }}
{{- $rules = append $rules (dict "to" . "ports" $ports) }}
{{- end }}
{{- end }}
{{- concat $rules $egress.extra | toYaml }}
{{- end }}

{{/* A hook Job. Input: root, component, hook (its values), helm (event), weight, argocd (phase), wave, command (default). */}}
{{- define "core-pipeline.hookJob" -}}
{{- $values := .root.Values }}
{{- $resources := .hook.resources | default $values.resources }}
{{- $annotations := dict "helm.sh/hook" .helm "helm.sh/hook-delete-policy" "before-hook-creation" "helm.sh/hook-weight" .weight }}
{{- if eq $values.hooks.mode "argocd" }}
{{- $annotations = dict "argocd.argoproj.io/hook" .argocd "argocd.argoproj.io/hook-delete-policy" "BeforeHookCreation" "argocd.argoproj.io/sync-wave" .wave }}
{{- end }}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "core-pipeline.metadata" (dict "root" .root "component" .component "name" (include "core-pipeline.componentName" (dict "root" .root "suffix" .component "max" 52)) "annotations" $annotations) | nindent 2 }}
spec:
  backoffLimit: {{ int .hook.backoffLimit }}
  activeDeadlineSeconds: {{ int .hook.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "core-pipeline.podLabels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml $values.podSecurityContext | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ .hook.image | default (include "core-pipeline.image" .root) | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command:
            {{- toYaml (.hook.command | default .command) | nindent 12 }}
          {{- with .hook.args }}
          args:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- toYaml $values.securityContext | nindent 12 }}
          # Written out: as a Helm hook the Job runs before the ConfigMap is there.
          env:
            {{- $destination := ternary (dict "BACKUP_DESTINATION" .hook.destination) dict (not (empty .hook.destination)) }}
            {{- range $key, $value := merge $destination (include "core-pipeline.configData" (dict "root" .root "resources" $resources) | fromYaml) }}
            - name: {{ $key }}
              value: {{ $value | quote }}
            {{- end }}
          {{- with include "core-pipeline.secretName" .root }}
          envFrom:
            - secretRef:
                name: {{ . | quote }}
          {{- end }}
          resources:
            {{- toYaml $resources | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if .hook.existingClaim }}
            - name: backup
              mountPath: /backup
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ $values.tmp.sizeLimit | quote }}
        {{- with .hook.existingClaim }}
        - name: backup
          persistentVolumeClaim:
            claimName: {{ . | quote }}
        {{- end }}
{{- end }}

{{/* Path that a probe asks, for requests to the Service. Input: probe (may be off, or ask otherwise), default. */}}
{{- define "core-pipeline.probePath" -}}
{{- dig "httpGet" "path" .default (.probe | default dict) }}
{{- end }}

{{/* Command that asks paths of the Service and ends with 0 if all answer with success. Input: root, paths. */}}
{{- define "core-pipeline.requestCommand" -}}
{{- $base := printf "http://%s.%s.svc:%d" (include "core-pipeline.fullname" .root) .root.Release.Namespace (int .root.Values.service.port) }}
- node
- -e
- |
  const get = (url) => fetch(url, { signal: AbortSignal.timeout(10000) }).then((response) => {
    console.log(response.status, url);
    if (!response.ok) process.exitCode = 1;
  });
  Promise.all(process.argv.slice(1).map(get)).catch((error) => { console.error(error); process.exit(1); });
{{- range .paths }}
- {{ printf "%s%s" $base . | quote }}
{{- end }}
{{- end }}
