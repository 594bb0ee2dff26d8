// Package oldclient drives `core-pipeline-cmp serve` with the client code of Argo CD 2.14, the oldest release whose
// repo-server is supported.
//
// It is a module of its own, as the tests of the current release are: both cannot be in one, and compiling another
// Argo CD takes minutes. `make e2e-oldest` runs it.
package oldclient
