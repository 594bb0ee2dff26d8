package argocd

// The types have the fields that the manifests use, and no others: a field
// that is misspelt or new is an error, until somebody decides on it here.

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Finalizers  []string          `json:"finalizers,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
}

type groupKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
}

// destination has no server: Argo CD takes either of name and server.
type destination struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type role struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Groups      []string `json:"groups"`
	Policies    []string `json:"policies"`
}

type syncWindow struct {
	Kind        string   `json:"kind"`
	Description string   `json:"description"`
	Schedule    string   `json:"schedule"`
	Duration    string   `json:"duration"`
	TimeZone    string   `json:"timeZone"`
	Clusters    []string `json:"clusters"`
	ManualSync  bool     `json:"manualSync"`
	SyncOverrun bool     `json:"syncOverrun"`
}

type project struct {
	object
	Spec struct {
		Description                string        `json:"description"`
		SourceRepos                []string      `json:"sourceRepos"`
		Destinations               []destination `json:"destinations"`
		ClusterResourceWhitelist   []groupKind   `json:"clusterResourceWhitelist"`
		NamespaceResourceWhitelist []groupKind   `json:"namespaceResourceWhitelist,omitempty"`
		NamespaceResourceBlacklist []groupKind   `json:"namespaceResourceBlacklist,omitempty"`
		OrphanedResources          struct {
			Warn   bool        `json:"warn"`
			Ignore []groupKind `json:"ignore"`
		} `json:"orphanedResources"`
		Roles       []role       `json:"roles,omitempty"`
		SyncWindows []syncWindow `json:"syncWindows,omitempty"`
	} `json:"spec"`
}

type requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []requirement     `json:"matchExpressions"`
}

type pluginSource struct {
	Name       string           `json:"name"`
	Parameters []map[string]any `json:"parameters"`
}

type source struct {
	RepoURL        string        `json:"repoURL"`
	TargetRevision string        `json:"targetRevision"`
	Path           string        `json:"path"`
	Plugin         *pluginSource `json:"plugin,omitempty"`
	Directory      *struct {
		Include string `json:"include"`
	} `json:"directory,omitempty"`
}

type syncPolicy struct {
	Automated map[string]bool `json:"automated"`
	Retry     struct {
		Limit   int            `json:"limit"`
		Refresh bool           `json:"refresh"`
		Backoff map[string]any `json:"backoff"`
	} `json:"retry"`
	ManagedNamespaceMetadata struct {
		Labels map[string]string `json:"labels"`
	} `json:"managedNamespaceMetadata"`
	SyncOptions []string `json:"syncOptions"`
}

type applicationSpec struct {
	Project              string           `json:"project"`
	Destination          destination      `json:"destination"`
	Source               *source          `json:"source,omitempty"`
	Sources              []source         `json:"sources,omitempty"`
	RevisionHistoryLimit int              `json:"revisionHistoryLimit"`
	IgnoreDifferences    []map[string]any `json:"ignoreDifferences,omitempty"`
	SyncPolicy           syncPolicy       `json:"syncPolicy"`
}

type application struct {
	object
	Spec applicationSpec `json:"spec"`
}

type step struct {
	MatchExpressions []requirement `json:"matchExpressions"`
	MaxUpdate        any           `json:"maxUpdate"`
}

type applicationSet struct {
	object
	Spec struct {
		GoTemplate        bool     `json:"goTemplate"`
		GoTemplateOptions []string `json:"goTemplateOptions"`
		Generators        []struct {
			Clusters struct {
				Selector selector `json:"selector"`
			} `json:"clusters"`
		} `json:"generators"`
		Strategy *struct {
			Type        string `json:"type"`
			RollingSync struct {
				Steps []step `json:"steps"`
			} `json:"rollingSync"`
		} `json:"strategy,omitempty"`
		SyncPolicy struct {
			ApplicationsSync            string `json:"applicationsSync"`
			PreserveResourcesOnDeletion bool   `json:"preserveResourcesOnDeletion"`
		} `json:"syncPolicy"`
		Template struct {
			Metadata metadata        `json:"metadata"`
			Spec     applicationSpec `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type cluster struct {
	object
	Type       string            `json:"type"`
	StringData map[string]string `json:"stringData"`
}
