// Package serve tests `core-pipeline-cmp serve` as a program, from outside:
// under attack, for a long time, under strace, and when it starts and ends.
//
// In: the project's own code, built here. Out: nothing; it has only tests.
package serve
