package fleet

// The parts of Kubernetes' and Argo CD's objects that the project uses. The
// names and the omission of empty values are those of Argo CD 3.6, so that an
// Application is encoded as its controller would.

type objectMeta struct {
	Name        string            `json:"name,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Finalizers  []string          `json:"finalizers,omitempty"`
}

type secret struct {
	header
	Metadata   objectMeta  `json:"metadata"`
	Type       string      `json:"type,omitempty"`
	StringData clusterData `json:"stringData"`
}

// clusterData is what Argo CD reads from a cluster Secret.
type clusterData struct {
	Name             string `json:"name"`
	Server           string `json:"server"`
	Config           string `json:"config"`
	Namespaces       string `json:"namespaces,omitempty"`
	ClusterResources string `json:"clusterResources,omitempty"`
	Project          string `json:"project,omitempty"`
	Shard            string `json:"shard,omitempty"`
}

type externalSecret struct {
	header
	Metadata objectMeta         `json:"metadata"`
	Spec     externalSecretSpec `json:"spec"`
}

type externalSecretSpec struct {
	RefreshPolicy   string               `json:"refreshPolicy,omitempty"`
	RefreshInterval string               `json:"refreshInterval,omitempty"`
	SecretStoreRef  secretStoreRef       `json:"secretStoreRef"`
	Target          externalSecretTarget `json:"target"`
	Data            []externalSecretData `json:"data"`
}

type secretStoreRef struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name"`
}

type externalSecretTarget struct {
	Name           string                 `json:"name,omitempty"`
	CreationPolicy string                 `json:"creationPolicy,omitempty"`
	DeletionPolicy string                 `json:"deletionPolicy,omitempty"`
	Immutable      bool                   `json:"immutable,omitempty"`
	Template       externalSecretTemplate `json:"template"`
}

type externalSecretTemplate struct {
	EngineVersion string      `json:"engineVersion,omitempty"`
	MergePolicy   string      `json:"mergePolicy,omitempty"`
	Type          string      `json:"type,omitempty"`
	Metadata      objectMeta  `json:"metadata"`
	Data          clusterData `json:"data"`
}

type externalSecretData struct {
	SecretKey string    `json:"secretKey"`
	RemoteRef remoteRef `json:"remoteRef"`
}

type remoteRef struct {
	Key                string `json:"key"`
	Property           string `json:"property,omitempty"`
	Version            string `json:"version,omitempty"`
	ConversionStrategy string `json:"conversionStrategy,omitempty"`
	DecodingStrategy   string `json:"decodingStrategy,omitempty"`
	MetadataPolicy     string `json:"metadataPolicy,omitempty"`
}

type clusterConfig struct {
	Username           string              `json:"username,omitempty"`
	Password           string              `json:"password,omitempty"`
	BearerToken        string              `json:"bearerToken,omitempty"`
	TLSClientConfig    tlsClientConfig     `json:"tlsClientConfig"`
	AWSAuthConfig      *awsAuthConfig      `json:"awsAuthConfig,omitempty"`
	ExecProviderConfig *execProviderConfig `json:"execProviderConfig,omitempty"`
	DisableCompression bool                `json:"disableCompression,omitempty"`
	ProxyURL           string              `json:"proxyUrl,omitempty"`
}

type tlsClientConfig struct {
	Insecure   bool   `json:"insecure"`
	ServerName string `json:"serverName,omitempty"`
	CertData   string `json:"certData,omitempty"`
	KeyData    string `json:"keyData,omitempty"`
	CAData     string `json:"caData,omitempty"`
}

type awsAuthConfig struct {
	ClusterName string `json:"clusterName,omitempty"`
	RoleARN     string `json:"roleARN,omitempty"`
	Profile     string `json:"profile,omitempty"`
}

type execProviderConfig struct {
	Command            string            `json:"command,omitempty"`
	Args               []string          `json:"args,omitempty"`
	Env                map[string]string `json:"env,omitempty"`
	APIVersion         string            `json:"apiVersion,omitempty"`
	InstallHint        string            `json:"installHint,omitempty"`
	ProvideClusterInfo bool              `json:"provideClusterInfo,omitempty"`
}

type appProject struct {
	header
	Metadata objectMeta     `json:"metadata"`
	Spec     appProjectSpec `json:"spec"`
}

type appProjectSpec struct {
	Description                     string                `json:"description,omitempty"`
	SourceRepos                     []string              `json:"sourceRepos,omitempty"`
	SourceNamespaces                []string              `json:"sourceNamespaces,omitempty"`
	Destinations                    []destination         `json:"destinations,omitempty"`
	ClusterResourceWhitelist        []groupKind           `json:"clusterResourceWhitelist,omitempty"`
	ClusterResourceBlacklist        []groupKind           `json:"clusterResourceBlacklist,omitempty"`
	NamespaceResourceWhitelist      []groupKind           `json:"namespaceResourceWhitelist,omitempty"`
	NamespaceResourceBlacklist      []groupKind           `json:"namespaceResourceBlacklist,omitempty"`
	OrphanedResources               *orphanedResources    `json:"orphanedResources,omitempty"`
	Roles                           []projectRole         `json:"roles,omitempty"`
	SyncWindows                     []syncWindow          `json:"syncWindows,omitempty"`
	PermitOnlyProjectScopedClusters bool                  `json:"permitOnlyProjectScopedClusters,omitempty"`
	DestinationServiceAccounts      []destinationIdentity `json:"destinationServiceAccounts,omitempty"`
	SourceIntegrity                 any                   `json:"sourceIntegrity,omitempty"`
}

type destination struct {
	Server    string `json:"server,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

type groupKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
}

type orphanedResources struct {
	Warn   bool        `json:"warn,omitempty"`
	Ignore []groupKind `json:"ignore,omitempty"`
}

type projectRole struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Policies    []string `json:"policies,omitempty"`
	Groups      []string `json:"groups,omitempty"`
}

type syncWindow struct {
	Kind         string   `json:"kind,omitempty"`
	Schedule     string   `json:"schedule,omitempty"`
	Duration     string   `json:"duration,omitempty"`
	TimeZone     string   `json:"timeZone,omitempty"`
	Applications []string `json:"applications,omitempty"`
	Namespaces   []string `json:"namespaces,omitempty"`
	Clusters     []string `json:"clusters,omitempty"`
	AndOperator  bool     `json:"andOperator,omitempty"`
	ManualSync   bool     `json:"manualSync,omitempty"`
	SyncOverrun  bool     `json:"syncOverrun,omitempty"`
	Description  string   `json:"description,omitempty"`
}

type destinationIdentity struct {
	Server                string `json:"server"`
	Namespace             string `json:"namespace,omitempty"`
	DefaultServiceAccount string `json:"defaultServiceAccount"`
}
