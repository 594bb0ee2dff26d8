// Package values merges layers of Helm values and remembers where each value
// came from.
//
// In: YAML documents and single assignments, lowest layer first. Out: one map
// with the result that `helm -f … --set-string … --set-json …` would give the
// chart, and the [Origin] of every leaf.
//
// The package is pure: it reads no file, and its errors name places and keys,
// never values.
package values
