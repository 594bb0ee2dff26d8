// Package e2e tests the project against the real programs it has to work with.
//
// It is a module of its own: the argo-cd module needs a newer Go than the project does and brings hundreds of
// dependencies that must never reach the binaries we ship.
//
// # Both contracts
//
// The tests start the real argocd-cmp-server with plugin/plugin.yaml and the core-pipeline-cmp of this checkout, and
// then `core-pipeline-cmp serve` in its place, and talk to each with Argo CD's own code, over the unix socket that
// repo-server would use. What comes back is compared with `core-pipeline render` for the same input: what a
// developer sees on a laptop must be what Argo CD applies, whichever way it came.
//
// TestConformance sends both servers the same messages, good and bad, and compares every answer. TestGolden holds
// `render`, `generate` and `serve` to all reviewed results of the project.
//
// They need Go and nothing else: no cluster, no root, no network once the modules are downloaded. The first run
// compiles Argo CD, which takes minutes; its program is then kept in the user's cache directory.
//
// # Manifests
//
// Package gitops runs what is in argocd/ through Argo CD's own code.
package e2e
