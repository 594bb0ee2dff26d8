package edge

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// Version is set by the linker in a release; otherwise the build information
// of the module is used.
var Version = ""

// ModuleVersion is Version or, if that is not set, the module's.
func ModuleVersion() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// VersionCommand prints what the program is built from.
func VersionCommand(stdout io.Writer, program string) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print what this program is built from",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return Usage(c, "unexpected argument %q", c.Args().First())
			}
			return printVersion(stdout, program)
		},
	}
}

// printVersion writes the version and commit of the program, Go, and the
// libraries that decide what a render looks like.
func printVersion(w io.Writer, program string) error {
	revision, libraries := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
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
	_, err := fmt.Fprintf(w, "%s %s\n%-10s %s\n%-10s %s %s/%s\n%s", program, ModuleVersion(),
		"commit", revision, "built with", runtime.Version(), runtime.GOOS, runtime.GOARCH, libraries)
	return err
}
