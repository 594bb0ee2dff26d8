// Package helm renders a chart as Helm 3 does, without Helm's program.
//
// In: a repository tree, the directory of a chart in it, values and the facts
// about the release. Out: the objects that `helm template --include-crds
// --skip-tests` prints, in that order, each with the template that made it.
//
// It is the only package that imports helm.sh/helm, which loads the chart and
// merges the values; templates are executed by package engine. It opens no
// connection: dependencies must be vendored, `lookup` finds nothing, DNS is
// off, and the values schema is read with a loader that knows the chart's files
// only. It must not read the environment, write files, or put values into
// errors.
package helm
