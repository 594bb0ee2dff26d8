package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
)

// newApp builds the command line. Help goes to stdout when it is asked for;
// errors go to stderr only.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                 "core-pipeline",
		Usage:                "render a Helm chart with environment values and kustomize patches, as Argo CD would",
		Writer:               stdout,
		EnableBashCompletion: true,
		Commands: []*cli.Command{
			renderCommand(stdout, stderr),
			lintCommand(stdout, stderr),
			previewCommand(stdout, stderr),
			clusterCommand(stdout, stderr),
			imageCommand(stdout, stderr),
			promoteCommand(stdout, stderr),
			chartCommand(stdout, stderr),
			edge.VersionCommand(stdout, "core-pipeline"),
		},
	}
	app.Commands = append(app.Commands, completionCommand(app, stdout))
	return app
}

// chartDir is the one optional argument of a verb.
func chartDir(c *cli.Context) (string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) == 0:
		return ".", nil
	case len(args) == 1:
		return args[0], nil
	case strings.HasPrefix(args[1], "-"):
		return "", edge.Usage(c, "%s comes after the directory; flags go before it", args[1])
	}
	return "", edge.Usage(c, "one directory is expected, found %d arguments", len(args))
}
