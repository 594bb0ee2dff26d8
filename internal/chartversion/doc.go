// Package chartversion says which version a chart needs after a change, and
// keeps what is written about it in three places in step: Chart.yaml, the
// annotation artifacthub.io/changes and CHANGELOG.md.
//
//	files before, files now -> Report -> Edits
//
// In: the files of the chart, by their path in it. Out: the changes with the
// level that each asks for, the version that follows, what is not in step, and
// the texts that repair it.
//
// The package must not render, read files by itself, or know how a chart is
// stored.
package chartversion
