// Package plugin renders an application of a repository: a Helm chart with
// layered values, patched by a kustomize overlay.
//
//	request -> tree -> values -> chart output -> patched output -> checked manifests
//
// In: a confined tree (package source) and a [Request]. Out: the objects that
// Argo CD would apply, the same for the same input. [Render] is the pipeline;
// every door to it (the command line, the exec contract) builds a Request and
// encodes the result.
//
// The package must not read the environment, the network or files outside the
// tree, must not write, and must not put values into errors: [Message] is what
// people read in Argo CD.
package plugin
