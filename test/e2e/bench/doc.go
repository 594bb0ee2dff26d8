// Package bench measures servers of Argo CD's plugin contract against each other, and computes what follows for the
// size of an installation.
//
// In: the programs of this checkout, the real argocd-cmp-server, helm and kustomize. Out: a table on standard output;
// with UPDATE_DOCS also testdata/measured.json, and from that the figures in docs/benchmarks.md and docs/sizing.md,
// which a test holds to it. All peers get the same messages, in turns, in one run: a noisy machine is noisy for all,
// and the ratio is what counts. Nothing is judged.
package bench
