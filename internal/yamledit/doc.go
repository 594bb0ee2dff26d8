// Package yamledit changes texts in a YAML file and no other byte of it.
//
//	file -> Document -> String, Set -> the same file, with other texts
//
// In: the bytes of a file with one document, a map. Out: its texts by their
// path, and the file with some of them replaced: comments, order, quotes, line
// endings and blank lines stay as they are. A text that Kubernetes would take
// for a number or a boolean gets quotes.
//
// The package must not format, must not add or remove keys, and must not quote
// the file in an error.
package yamledit
