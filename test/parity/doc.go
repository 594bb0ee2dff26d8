// Package parity holds tests that compare a render with what the programs
// helm and kustomize make of the same input. HELM3, HELM4 and KUSTOMIZE name
// the programs; with PARITY_REQUIRED a missing one is an error. Without them,
// the tests compare with results that were reviewed when they were recorded.
package parity
