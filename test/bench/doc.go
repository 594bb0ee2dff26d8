// Package bench holds benchmarks of the programs as processes, against the
// programs that a team would otherwise put into a shell script. Both sides run
// in turn, so that a noisy machine is noisy for both, and the ratio of their
// medians is what counts.
//
// HELM3 and KUSTOMIZE name the peers; with BENCH_REQUIRED a missing one is an
// error.
package bench
