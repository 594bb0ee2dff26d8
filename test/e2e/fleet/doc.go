// Package fleet holds core-pipeline's verbs about clusters to Argo CD's own code.
//
// `core-pipeline preview` generates Applications without linking Argo CD. Here, its ApplicationSet controller's code
// generates them from the same files, and both have to agree: over fleets that are made at random, and over mutants
// of the sets. Where the controller fails, preview has to fail.
package fleet
