// Package images makes the images that a cluster under test runs, with the names that manifests give them.
//
// In: programs of package programs, Debian packages, this checkout. Out: images that cluster.Push takes.
// Layers with what has a version stay in the user's cache; those with a program of this checkout are made anew in each
// run. An image is what its Dockerfile would make where that is published, with Debian for another base; nothing is
// pulled.
package images
