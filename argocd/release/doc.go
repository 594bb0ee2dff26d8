// Package release knows the files that say which image an environment runs,
// and how an image gets from one environment to the next.
//
//	release.yaml -> File -> Set, Promote -> release.yaml with another tag and digest
//
// In: the bytes of argocd/envs/<environment>/release.yaml. Out: its [Image],
// the same bytes with another one, and the [Promotion] that was checked.
//
// The package holds the rules and nothing else: it must not read or write
// files, ask a registry, or change more of a file than the two texts.
package release
