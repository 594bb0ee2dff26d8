// Package worker renders in processes of their own.
//
// In: requests and trees. Out: manifests. A [Pool] keeps a number of warm
// processes of the same program; each renders one request at a time and asks
// the pool for the files it wants to see, so that a repository is never copied
// as a whole. A template cannot be interrupted and kustomize keeps state: a
// process that takes too long, uses too much memory or breaks down is killed
// and replaced, and only its own request fails.
//
// Requests wait in a queue that is fair between Applications. A render that
// takes long leaves its place to the next one and goes on at a lower priority,
// as one of a bounded number.
//
// The package must not know gRPC, and must not start any program but the one
// that it is part of.
package worker
