// Package manifest is the currency between the stages of a render: a list of
// Kubernetes objects that know which file made them.
//
// In: YAML text from a template or from kustomize. Out: checked objects, as a
// YAML stream or as compact JSON. The order of a List is kept by everything
// here.
//
// The package must not read files, know Helm or kustomize, or put the content
// of an object into an error: an object is named by kind, name and source.
package manifest
