package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

func previewCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: table, yaml, or json with one object on each line; default: table, with --render yaml"},
		&cli.BoolFlag{Name: "render", Usage: "print the manifests of every Application instead"},
	}
	return &cli.Command{
		Name: "preview", Usage: "print every Application that the ApplicationSets generate, or its manifests",
		Description: "Generates what Argo CD's ApplicationSet controller would from the clusters in the repository. With --render,\n" +
			"every Application is rendered, equal ones once.\n\n" +
			examples("core-pipeline preview", "core-pipeline preview -o yaml", "core-pipeline preview --render"),
		Flags: append(flags, fleetFlags(&limits)...),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			format, err := previewFormat(c)
			if err != nil {
				return err
			}
			f, err := loadFleet(c, stderr, limits)
			if err != nil {
				return err
			}
			defer f.close()
			apps, err := f.applications()
			if err != nil {
				return err
			}
			out := bufio.NewWriter(stdout)
			switch {
			case c.Bool("render"):
				err = f.renderAll(c.Context, apps, format, out)
			case format == "table":
				err = writeTable(out, apps)
			default:
				err = writeApplications(out, apps, format)
			}
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
}

func previewFormat(c *cli.Context) (string, error) {
	format := c.String("output")
	switch {
	case format == "" && c.Bool("render"):
		return "yaml", nil
	case format == "":
		return "table", nil
	case format == "table" && c.Bool("render"):
		return "", edge.Usage(c, "--output table: manifests are printed as yaml or json")
	case format != "table" && format != "yaml" && format != "json":
		return "", edge.Usage(c, "--output %q: expected table, yaml or json", format)
	}
	return format, nil
}

// applications are all that are generated; with a problem there are none,
// since the list would be short of some.
func (f *openFleet) applications() ([]*fleet.Application, error) {
	f.watch.Stage("generating the Applications")
	apps, findings := f.Applications()
	return apps, f.findings.And(findings).Harmful().Err()
}

func writeTable(out io.Writer, apps []*fleet.Application) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "APPLICATION\tCLUSTER\tPROJECT\tNAMESPACE\tPARAMETERS"); err != nil {
		return err
	}
	for _, a := range apps {
		var parameters []string
		for _, p := range a.Parameters() {
			parameters = append(parameters, p.Name+"="+p.Text())
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.Name(), a.Cluster, a.Project(), a.Namespace(), strings.Join(parameters, " ")); err != nil {
			return err
		}
	}
	return table.Flush()
}

func writeApplications(out io.Writer, apps []*fleet.Application, format string) error {
	for _, a := range apps {
		fields, err := a.Fields()
		if err != nil {
			return fmt.Errorf("encoding %s: %w", a.Name(), err)
		}
		list := manifest.List{{Fields: fields}}
		if format == "yaml" {
			err = manifest.WriteYAML(out, list)
		} else {
			err = writeLines(out, list)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
