// Package docs holds the guides to what they describe: the commands in them
// run, the YAML in them decodes, the links in them lead somewhere, and every
// error message of the programs has its place in docs/troubleshooting.md.
package docs
