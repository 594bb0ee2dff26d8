package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

func renderCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "yaml", Usage: "`FORMAT`: yaml, or json with one object on each line"},
		&cli.BoolFlag{Name: "explain", Usage: "print every final value and the file and line that set it, instead of manifests"},
		rootFlag(),
	}
	flags = append(flags, parameterFlags()...)
	return &cli.Command{
		Name: "render", Usage: "print what Argo CD would apply",
		ArgsUsage: "[CHART_DIR]",
		Description: "Renders the chart in CHART_DIR, the working directory by default. Without a release name the chart's name is\nused, without a namespace \"default\".\n\n" +
			examples("core-pipeline render --environment dev charts/core-pipeline",
				"core-pipeline render --environment prod --value-files /argocd/envs/prod/release.yaml --overlay /argocd/envs/prod charts/core-pipeline",
				"core-pipeline render --environment prod --explain charts/core-pipeline"),
		Flags: append(flags, limits.Flags()...),
		Action: func(c *cli.Context) error {
			format := c.String("output")
			if format != "yaml" && format != "json" {
				return edge.Usage(c, "--output %q: expected yaml or json", format)
			}
			app, err := openApplication(c, stderr, limits)
			if err != nil {
				return err
			}
			defer app.close()
			var out bytes.Buffer
			if c.Bool("explain") {
				err = app.explain(c, format, &out)
			} else {
				err = app.render(c, format, &out)
			}
			if err != nil {
				return err
			}
			_, err = out.WriteTo(stdout)
			return err
		},
	}
}

func rootFlag() cli.Flag {
	return &cli.StringFlag{Name: "repository-root", Usage: "`DIR` that paths with a leading / start from; default: the nearest directory with .git, else the working directory"}
}

// application is an open repository, the application's request in it, and the
// guard of the process's limits.
type application struct {
	edge.Repository
	request plugin.Request
	watch   *watchdog.Watchdog
}

func openApplication(c *cli.Context, stderr io.Writer, limits edge.Limits) (*application, error) {
	dir, err := chartDir(c)
	if err != nil {
		return nil, err
	}
	parameters, err := readParameters(c)
	if err != nil {
		return nil, err
	}
	repository, err := edge.OpenRepository(dir, c.String("repository-root"), limits.Source)
	if err != nil {
		return nil, err
	}
	if parameters.ReleaseName == "" {
		parameters.ReleaseName = plugin.ChartName(repository.Tree, repository.Dir)
	}
	if parameters.Namespace == "" {
		parameters.Namespace = "default"
	}
	return &application{
		Repository: repository,
		request:    plugin.Request{Dir: repository.Dir, Parameters: parameters},
		watch:      watchdog.Start(stderr, c.App.Name, limits.Watchdog),
	}, nil
}

func (a *application) close() {
	a.watch.Stop()
	a.Tree.Close() //nolint:errcheck,gosec // opened for reading only
}

func (a *application) options() plugin.Options { return plugin.Options{Stage: a.watch.Stage} }

func (a *application) render(c *cli.Context, format string, out io.Writer) error {
	list, err := plugin.Render(c.Context, a.Tree, a.request, a.options())
	if err != nil {
		return err
	}
	if format == "yaml" {
		return manifest.WriteYAML(out, list)
	}
	return writeLines(out, list)
}

// writeLines writes one object on each line.
func writeLines(out io.Writer, list manifest.List) error {
	lines, err := manifest.JSON(list)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) explain(c *cli.Context, format string, out io.Writer) error {
	leaves, err := plugin.Explain(c.Context, a.Tree, a.request, a.options())
	if err != nil {
		return err
	}
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		for _, leaf := range leaves {
			if err := encoder.Encode(explained{leaf.Path, leaf.Value, leaf.Origin.File, leaf.Origin.Line, leaf.Origin.Column}); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, leaf := range leaves {
		var value bytes.Buffer
		encoder := json.NewEncoder(&value)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(leaf.Value); err != nil {
			return fmt.Errorf("encoding %s: %w", leaf.Path, err)
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", leaf.Path, bytes.TrimSpace(value.Bytes()), setBy(leaf.Origin)); err != nil {
			return err
		}
	}
	return table.Flush()
}

// explained is one line of --explain -o json.
type explained struct {
	Path   string `json:"path"`
	Value  any    `json:"value"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// setBy names the place of a value; Helm adds some by itself, such as the
// empty "global" of a dependency.
func setBy(o values.Origin) string {
	if o.File == "" {
		return "(Helm)"
	}
	return o.String()
}
