package fleet

import (
	"maps"
	"slices"
	"strings"
)

type applicationSet struct {
	header
	Metadata objectMeta         `json:"metadata"`
	Spec     applicationSetSpec `json:"spec"`
}

type applicationSetSpec struct {
	GoTemplate                   bool                `json:"goTemplate,omitempty"`
	GoTemplateOptions            []string            `json:"goTemplateOptions,omitempty"`
	Generators                   []generator         `json:"generators"`
	Template                     applicationTemplate `json:"template"`
	SyncPolicy                   *setSyncPolicy      `json:"syncPolicy,omitempty"`
	Strategy                     *strategy           `json:"strategy,omitempty"`
	PreservedFields              *preservedFields    `json:"preservedFields,omitempty"`
	IgnoreApplicationDifferences any                 `json:"ignoreApplicationDifferences,omitempty"`
}

type generator struct {
	Clusters *clusterGenerator `json:"clusters,omitempty"`
}

type clusterGenerator struct {
	Selector labelSelector `json:"selector"`
}

type labelSelector struct {
	MatchLabels      map[string]string `json:"matchLabels,omitempty"`
	MatchExpressions []matchExpression `json:"matchExpressions,omitempty"`
}

type matchExpression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

type setSyncPolicy struct {
	ApplicationsSync            string `json:"applicationsSync,omitempty"`
	PreserveResourcesOnDeletion bool   `json:"preserveResourcesOnDeletion,omitempty"`
}

type strategy struct {
	Type          string       `json:"type,omitempty"`
	RollingSync   *rollingSync `json:"rollingSync,omitempty"`
	DeletionOrder string       `json:"deletionOrder,omitempty"`
}

type rollingSync struct {
	Steps []rolloutStep `json:"steps,omitempty"`
}

type rolloutStep struct {
	MatchExpressions []matchExpression `json:"matchExpressions,omitempty"`
	MaxUpdate        any               `json:"maxUpdate,omitempty"`
}

type preservedFields struct {
	Annotations []string `json:"annotations,omitempty"`
	Labels      []string `json:"labels,omitempty"`
}

type applicationTemplate struct {
	Metadata objectMeta      `json:"metadata"`
	Spec     applicationSpec `json:"spec"`
}

type applicationSpec struct {
	Source               *applicationSource  `json:"source,omitempty"`
	Destination          destination         `json:"destination"`
	Project              string              `json:"project"`
	SyncPolicy           *syncPolicy         `json:"syncPolicy,omitempty"`
	IgnoreDifferences    []ignoredDifference `json:"ignoreDifferences,omitempty"`
	Info                 []nameValue         `json:"info,omitempty"`
	RevisionHistoryLimit *int64              `json:"revisionHistoryLimit,omitempty"`
}

type applicationSource struct {
	RepoURL        string  `json:"repoURL"`
	Path           string  `json:"path,omitempty"`
	TargetRevision string  `json:"targetRevision,omitempty"`
	Plugin         *plugin `json:"plugin,omitempty"`
	Name           string  `json:"name,omitempty"`
}

type plugin struct {
	Name       string      `json:"name,omitempty"`
	Env        []nameValue `json:"env,omitempty"`
	Parameters []Parameter `json:"parameters,omitempty"`
}

// Parameter is one parameter of a plugin, with a value in one of three forms.
type Parameter struct {
	Name   string             `json:"name,omitempty"`
	String *string            `json:"string,omitempty"`
	Map    *map[string]string `json:"map,omitempty"`
	Array  *[]string          `json:"array,omitempty"`
}

// Text is the value on one line.
func (p Parameter) Text() string {
	switch {
	case p.String != nil:
		return *p.String
	case p.Array != nil:
		return strings.Join(*p.Array, ",")
	case p.Map != nil:
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(*p.Map)) {
			pairs = append(pairs, key+"="+(*p.Map)[key])
		}
		return strings.Join(pairs, ",")
	}
	return ""
}

type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type syncPolicy struct {
	Automated                *automated         `json:"automated,omitempty"`
	SyncOptions              []string           `json:"syncOptions,omitempty"`
	Retry                    *retry             `json:"retry,omitempty"`
	ManagedNamespaceMetadata *namespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

type automated struct {
	Prune      *bool `json:"prune,omitempty"`
	SelfHeal   *bool `json:"selfHeal,omitempty"`
	AllowEmpty *bool `json:"allowEmpty,omitempty"`
	Enabled    *bool `json:"enabled,omitempty"`
}

type retry struct {
	Limit   int64    `json:"limit,omitempty"`
	Backoff *backoff `json:"backoff,omitempty"`
	Refresh bool     `json:"refresh,omitempty"`
}

type backoff struct {
	Duration    string `json:"duration,omitempty"`
	Factor      *int64 `json:"factor,omitempty"`
	MaxDuration string `json:"maxDuration,omitempty"`
}

type namespaceMetadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ignoredDifference struct {
	Group                 string   `json:"group,omitempty"`
	Kind                  string   `json:"kind"`
	Name                  string   `json:"name,omitempty"`
	Namespace             string   `json:"namespace,omitempty"`
	JSONPointers          []string `json:"jsonPointers,omitempty"`
	JQPathExpressions     []string `json:"jqPathExpressions,omitempty"`
	ManagedFieldsManagers []string `json:"managedFieldsManagers,omitempty"`
}
