package addons

// What is built, each at a version that the module proxy has whole.
const (
	// MetricsServerVersion is the version of sigs.k8s.io/metrics-server.
	MetricsServerVersion = "v0.9.0"
	// PrometheusVersion is the version of Prometheus' module; the server calls it 3.16.0.
	PrometheusVersion = "v0.316.0"
	// PrometheusOperatorVersion is the newest version whose module is served.
	PrometheusOperatorVersion = "v0.85.0"
	// TraefikVersion is the newest version whose requirements are all served.
	TraefikVersion = "v3.5.3"
	// CertManagerVersion is the version that certmanager/go.mod names.
	CertManagerVersion = "v1.21.2"
	// ExternalSecretsVersion is the newest version whose parts are in one module: later ones have a module for each
	// provider, and those are not published. It serves external-secrets.io/v1.
	ExternalSecretsVersion = "v0.16.2"

	operatorPath        = "github.com/prometheus-operator/prometheus-operator"
	traefikPath         = "github.com/traefik/traefik/v3"
	externalSecretsPath = "github.com/external-secrets/external-secrets"
	// codeGeneratorVersion is of the Kubernetes release that the operator is built on.
	codeGeneratorVersion = "v0.33.3"
)

// The programs, in the order of what they are worth: who has not the time to build all builds the first ones.
var (
	// MetricsServer gives the HorizontalPodAutoscaler its figures.
	MetricsServer = module{
		name: "metrics-server", path: "sigs.k8s.io/metrics-server", version: MetricsServerVersion,
		packages: []string{"./cmd/metrics-server"},
		// Its own. With Go 1.27 it says its OpenAPI definitions in another form, which the API server cannot merge: then
		// /openapi/v2 is answered 503, and Argo CD can compare nothing in that cluster.
		toolchain: "go1.26.4",
	}
	// Prometheus scrapes, and evaluates the alerts. Without the other discoveries it needs a tenth of the modules, and
	// one of theirs cannot be had.
	Prometheus = module{
		name: "prometheus", path: "github.com/prometheus/prometheus", version: PrometheusVersion,
		packages: []string{"./cmd/prometheus"}, tags: "remove_all_sd,enable_kubernetes_sd",
		ldflags: "-X github.com/prometheus/common/version.Version=3.16.0",
	}
	// PrometheusOperator turns ServiceMonitors and PrometheusRules into Prometheus' configuration.
	PrometheusOperator = module{
		name: "prometheus-operator", path: operatorPath, version: PrometheusOperatorVersion,
		packages: []string{"./cmd/operator", "./cmd/prometheus-config-reloader"},
		ldflags:  "-X github.com/prometheus/common/version.Version=0.85.0",
		prepare:  generateOperatorClient,
	}
	// Traefik is the ingress controller.
	Traefik = module{
		name: "traefik-without-dns-providers", path: traefikPath, version: TraefikVersion,
		packages: []string{"./cmd/traefik"}, ldflags: "-X " + traefikPath + "/pkg/version.Version=3.5.3",
		prepare: withoutDNSProviders,
	}
	// ExternalSecrets fills Secrets from a store. It is built with the provider that is made for tests and no other:
	// those of the clouds are most of it, and nothing here could reach them.
	ExternalSecrets = module{
		name: "external-secrets", path: externalSecretsPath, version: ExternalSecretsVersion,
		packages: []string{"."}, prepare: onlyFakeProvider,
	}
)
