// Package cmpserver serves Argo CD's gRPC contract with a config management
// plugin, in place of argocd-cmp-server.
//
// In: a stream that brings a repository as a gzip-compressed tar in chunks.
// Out: manifests, one compact JSON document each. The archive is unpacked into
// memory while it arrives; nothing is written to disk. A stream is always read
// to its end: repo-server does not look at an answer before it has sent
// everything.
//
// It is the only package that imports gRPC. Rendering is behind the interface
// [Renderer]. The package must not start programs, open files or connections.
package cmpserver
