// Package observe knows what a render has seen of a repository.
//
// A render is a function of its request and of the answers that the tree gave
// it. In: a tree. Out: a [Tree] that asks somebody else for the answers, or
// notes them, as questions ([Ask]) whose answers ([Answer]) have a digest. Two
// trees that answer a render's questions alike get the same manifests, however
// much else is different in them.
//
// The package must not know what is rendered, and must show a render nothing
// of a file that is not part of an Answer, such as its time or owner.
package observe
