// Package cache remembers what was rendered.
//
// In: requests. Out: the result of an earlier one, if a render of this one
// could see no difference, else that of the next [Renderer]. Requests that are
// the same and under way at the same time are rendered once.
//
// A result is found by its request, without the API versions, and by what the
// render observed: all that it asked of the tree, and the API versions that
// the chart asked about. A commit that touches something else, or a new CRD on
// the cluster, costs a few digests. Failures are not remembered.
//
// The package must not guess: what was not observed to be equal is rendered.
package cache
