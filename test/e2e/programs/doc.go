// Package programs builds what the tests and the benchmarks run.
//
// In: the module cache and this checkout. Out: paths of programs. Argo CD, Kubernetes and what it needs are compiled
// once for each version and kept in the user's cache directory; the programs of the checkout are built once in each
// run. Nothing is installed.
package programs
