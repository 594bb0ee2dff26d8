// Package live shows on running clusters what the project promises: one test
// for each criterion of its success, and then what Argo CD does with it.
//
// In: this machine, on which it boots clusters and installs what a platform
// team has, or the folder of a run that E2E_RUN names. Out: a table of the
// criteria with their figures, and which of them did not run; of a run that
// fails, a folder with logs, events and objects. The tests share the clusters,
// send bounded load, wait for conditions, and leave the application as they
// found it.
package live
