// Command release makes of the programs that goreleaser has built what
// goreleaser does not make, and what must not need a daemon or a token: the
// container image for several platforms as an OCI layout, and the notes of a
// version from CHANGELOG.md. It also pushes a layout to a registry.
//
// In: dist/artifacts.json and the binaries it names, plugin/plugin.yaml,
// CHANGELOG.md. Out: a directory with an OCI layout, text on standard output.
// The same input gives the same bytes: every time stamp is the commit's.
//
// It must not compile, sign or choose a version: the Makefile and the workflow
// do. It is a module of its own, because nothing that talks to registries may
// come into the dependencies of the programs that are released.
package main
