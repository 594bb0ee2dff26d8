// Package live shows on running clusters what the project promises: one test
// for each criterion of its success, and then what Argo CD does with it.
//
// In: this machine, or a cluster that E2E_KUBECONFIG names. Out: a table of
// the criteria with their figures; of a run that fails, a folder with logs,
// events and objects. The tests of delivery boot clusters of their own and
// share them; those of what runs beside the application take the cluster of
// E2E_KUBECONFIG and are skipped without. All send bounded load, wait for
// conditions, and leave the application as they found it.
package live
