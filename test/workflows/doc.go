// Package workflows holds the workflows in .github to the rules of this
// repository, and runs their steps: in a clone, with a stand-in for GitHub's
// command gh, and with the programs of this checkout. actionlint checks the
// rest; see `make workflows`.
package workflows
