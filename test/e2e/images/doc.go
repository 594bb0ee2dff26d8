// Package images makes the images that a cluster under test runs, with the names that manifests give them.
//
// In: programs of package programs, Debian packages, this checkout. Out: archives in the user's cache, one for each
// version of each image, which cluster.Push takes; those with a program of this checkout are made anew in each run. An
// image is what its Dockerfile would make where that is published, with Debian for another base; nothing is pulled.
package images
