// Package addons builds what runs in a cluster beside the application: what
// scrapes it, leads requests to it, signs its certificate, fills its Secret,
// measures it for the autoscaler and takes its traces.
//
// In: the module cache and this checkout. Out: programs in the user's cache
// directory, and the manifests that run them. Each program is built once for
// each version, from the modules that its project publishes; nothing is
// installed and no image is pulled. A program must be the project's own:
// where that cannot be had, the stand-in says so in its own doc comment and
// in the table of README.md.
//
// versions.go pins what is built, module.go builds it, and each folder with
// a go.mod of its own holds a program whose requirements must not decide
// those of the tests.
package addons
