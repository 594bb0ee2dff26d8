// Package kustomize applies an overlay to rendered objects, in memory.
//
// In: a repository tree, the directory of a kustomization in it, and a list of
// objects. Out: what `kustomize build` would print if the objects were the
// kustomization's first resource, in the same order.
//
// It is the only package that imports kustomize. Before kustomize runs, every
// file that the kustomization names is looked at and copied into a file system
// in memory, which is all that kustomize sees. Whatever would fetch, execute
// or change the process is refused by name: remote resources, Helm charts,
// functions and plugins that are not built in, and openapi.
//
// Where an overlay has labels and strategic merge patches only, kustomize merges
// the patches without a build around it, and sees those parts of an object that
// they reach. Anything else, and any error, is left to a build.
//
// Kustomize keeps state that is not safe for concurrent use: one build runs at
// a time. The package must not read the environment, write files, or put the
// content of files into errors.
package kustomize
