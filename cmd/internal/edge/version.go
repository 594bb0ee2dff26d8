package edge

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version is set by the linker in a release; otherwise the build information
// of the module is used.
var Version = ""

// PrintVersion writes what the program is built from: its version and commit,
// Go, and the libraries that decide what a render looks like.
func PrintVersion(w io.Writer, program string) error {
	version, revision, libraries := Version, "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if version == "" {
			version = info.Main.Version
		}
		modified := ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " (modified)"
			}
		}
		revision += modified
		for _, dep := range info.Deps {
			switch dep.Path {
			case "helm.sh/helm/v3", "sigs.k8s.io/kustomize/api":
				libraries += fmt.Sprintf("%-10s %s %s\n", "library", dep.Path, dep.Version)
			}
		}
	}
	if version == "" {
		version = "(devel)"
	}
	_, err := fmt.Fprintf(w, "%s %s\n%-10s %s\n%-10s %s %s/%s\n%s", program, version,
		"commit", revision, "built with", runtime.Version(), runtime.GOOS, runtime.GOARCH, libraries)
	return err
}
