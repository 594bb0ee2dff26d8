// Package cmptest makes the requests of Argo CD's repo-server, and wrong ones,
// for tests of a server of the plugin contract.
//
// In: files and parameters. Out: archives, streams and what the server answers.
// Only tests may import it.
package cmptest
