package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/internal/chartversion"
	"github.com/core-pipeline/core-pipeline-cmp/internal/checkout"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

func chartCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "chart", Usage: "keep the version of the chart in step with its files",
		Subcommands: []*cli.Command{chartBumpCommand(stdout, stderr)},
	}
}

// defaultChart is the chart of this repository, from its root.
const defaultChart = "charts/core-pipeline"

func chartBumpCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "check", Usage: "write nothing, and fail where something is to be written"},
		&cli.StringFlag{Name: "base", Value: "origin", Usage: "`REVISION` to compare with: a branch, a tag or a hash, from where HEAD left it; origin is its default branch"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT` of the summary: text or json"},
		rootFlag(),
	}
	return &cli.Command{
		Name: "bump", Usage: "raise the version of a chart as far as its changes ask for",
		ArgsUsage: "[CHART]",
		Description: "Compares the files of CHART, by default " + defaultChart + ", with those of a commit. A value, a template or a CRD that is\n" +
			"gone, and a schema that takes less, ask for a major version (before 1.0.0, a minor one); what is new, for a minor\n" +
			"one; every other difference in templates, crds, charts, files, values.yaml and values.schema.json, for a patch.\n" +
			"Tags and digests of images, appVersion and documents ask for none. Then version in Chart.yaml is raised, the section\n" +
			"Unreleased of CHANGELOG.md becomes that of the version, and artifacthub.io/changes gets its entries.\n\n" +
			examples("core-pipeline chart bump", "core-pipeline chart bump --check --base origin/main"),
		Flags: append(flags, limits.Flags()...),
		Action: func(c *cli.Context) error {
			if format := c.String("output"); format != "text" && format != "json" {
				return edge.Usage(c, "--output %q: expected text or json", format)
			}
			b, err := openBump(c, stderr, limits)
			if err != nil {
				return err
			}
			defer b.close()
			report, err := b.compare(c)
			if err != nil {
				return b.errorIn(err)
			}
			if c.Bool("check") {
				err = report.Check()
			} else {
				err = b.write(report)
			}
			return errors.Join(b.print(c, report, stdout), b.errorIn(err))
		},
	}
}

// bump is a chart in an open repository.
type bump struct {
	edge.Repository
	chart string
	watch *watchdog.Watchdog
}

func openBump(c *cli.Context, stderr io.Writer, limits edge.Limits) (*bump, error) {
	dir, err := chartDir(c)
	if err != nil {
		return nil, err
	}
	root := c.String("repository-root")
	if !c.Args().Present() {
		dir = cmp.Or(root, ".")
	}
	repository, err := edge.OpenRepository(dir, root, limits.Source)
	if err != nil {
		return nil, err
	}
	b := &bump{Repository: repository, chart: repository.Dir, watch: watchdog.Start(stderr, c.App.Name, limits.Watchdog)}
	if !c.Args().Present() {
		b.chart = defaultChart
	}
	b.watch.Stage("comparing the chart")
	return b, nil
}

func (b *bump) close() {
	b.watch.Stop()
	b.Tree.Close() //nolint:errcheck,gosec // opened for reading only
}

// errorIn says for every problem which chart has it.
func (b *bump) errorIn(err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		errs = append(errs, fmt.Errorf("%s: %s", printable(b.chart), printable(line)))
	}
	return errors.Join(errs...)
}

// compare reads the chart as it is and as it was.
func (b *bump) compare(c *cli.Context) (*chartversion.Report, error) {
	head, err := b.files(c)
	if err != nil {
		return nil, err
	}
	git, err := checkout.Open(b.Root())
	if err != nil {
		return nil, err
	}
	defer git.Close()
	revision := c.String("base")
	at, err := git.Resolve(revision)
	if err != nil {
		return nil, fmt.Errorf("--base %.60q: %w", revision, err)
	}
	from, err := git.MergeBase(c.Context, at)
	if err != nil {
		return nil, err
	}
	base, err := git.Files(c.Context, from, b.chart, checkout.Limits{})
	if err != nil {
		return nil, err
	}
	return chartversion.New(base, head)
}

func (b *bump) files(c *cli.Context) (chartversion.Files, error) {
	files := chartversion.Files{}
	err := fs.WalkDir(b.Tree, b.chart, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = c.Err()
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(b.Tree, name)
		files[strings.TrimPrefix(name, b.chart+"/")] = data
		return err
	})
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("reading %s: %w", strings.TrimPrefix(pe.Path, b.chart+"/"), pe.Err)
	}
	return files, err
}

// write edits the changelog before Chart.yaml, so that a run after one that was
// ended between them goes on.
func (b *bump) write(report *chartversion.Report) error {
	edits, err := report.Edits()
	if err != nil {
		return err
	}
	for _, name := range edits.Names() {
		if err := b.Replace(path.Join(b.chart, name), report.File(name), edits[name]); err != nil {
			return err
		}
	}
	return nil
}

// bumped is a report as JSON.
type bumped struct {
	Chart   string                `json:"chart"`
	Before  string                `json:"before"`
	Version string                `json:"version"`
	Wanted  string                `json:"wanted"`
	Level   chartversion.Level    `json:"level"`
	Changes []chartversion.Change `json:"changes"`
}

func (b *bump) print(c *cli.Context, r *chartversion.Report, stdout io.Writer) error {
	result := bumped{Chart: b.chart, Version: r.Now.Original(), Wanted: r.Target(), Level: r.Level, Changes: r.Changes}
	if r.Before != nil {
		result.Before = r.Before.Original()
	}
	if c.String("output") == "json" {
		if result.Changes == nil {
			result.Changes = []chartversion.Change{} // [], not null
		}
		return json.NewEncoder(stdout).Encode(result)
	}
	was := cmp.Or(result.Before, "a new chart")
	if _, err := fmt.Fprintf(stdout, "%s: %s -> %s (%s)\n", b.chart, was, result.Wanted, result.Level); err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, change := range r.Changes {
		if _, err := fmt.Fprintf(table, "  %s\t%s\n", change.Level, printable(change.Text)); err != nil {
			return err
		}
	}
	return table.Flush()
}
