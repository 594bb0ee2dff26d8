// Package fleet knows the clusters of an Argo CD installation as they are
// written down in a repository, and what its ApplicationSets make of them.
//
//	clusters, applicationsets, projects -> Fleet -> findings, Applications
//
// In: a tree and the directories of cluster Secrets (or the ExternalSecrets
// that make them), ApplicationSets and AppProjects. Out: the [Findings] of
// [Fleet.Lint], the Applications that Argo CD's controller would generate, and
// files for new clusters that Lint accepts.
//
// The types are this package's own and hold what the project uses of Argo CD
// 3.6. A field that is not among them is a finding, not ignored: what is not
// understood cannot be promised. The package must not read the environment,
// the network or files outside the tree, must not write, and must not put the
// content of a credential into a finding.
package fleet
