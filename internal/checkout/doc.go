// Package checkout reads what git keeps about a directory, without the git
// program: which branch it is on, whether its files are what is committed, and
// the files of an earlier commit.
//
//	directory -> Checkout -> Branch, Changed, Resolve, MergeBase, Files
//
// In: a directory in a working tree. Out: names and bytes. It is the only
// importer of go-git, and takes no more of it than what decodes the files in
// .git.
//
// The package must not write, must not run a program, open a connection, or
// read the configuration of the user or the system, and must not put a path
// outside the working tree into an error.
package checkout
