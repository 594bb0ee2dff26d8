// Package docs holds the guides to what they describe: the commands in them
// run and print what they say, the YAML in them decodes and renders, the links
// in them lead somewhere, and every error message of the programs has its place
// in docs/troubleshooting.md.
//
// In: the project's own pages and code, built here. Out: nothing; it has only
// tests. What needs a cluster is held by test/e2e/gitops and test/e2e/apiserver.
package docs
