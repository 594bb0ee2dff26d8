// Package source gives the other packages a confined, read-only view of a
// repository.
//
// In: a directory on disk, or the gzip-compressed tar stream that Argo CD's
// repo-server sends. Out: a [Tree], an fs.FS rooted at the repository.
//
// A Tree never leaves its root: symbolic links that point outside, absolute
// symbolic links and special files are refused with [ErrOutside] or
// [ErrIrregular], links that stay inside are followed. Directories named .git
// do not exist in a Tree. Every read counts against [Limits].
//
// The package must not write, must not read the environment and must not
// interpret what it reads.
package source
