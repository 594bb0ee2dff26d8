package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/release"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

// releaseFlags are those of all verbs that edit a release.
func releaseFlags(limits *edge.Limits) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT` of the summary: text or json"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print what would change and write nothing"},
		rootFlag(),
		&cli.StringFlag{Name: "envs", Value: "argocd/envs", Usage: "`DIR` of the environments, from the repository's root", Category: fleetCategory},
	}, limits.Flags()...)
}

// releases is an open repository and the directory of environments in it.
type releases struct {
	edge.Repository
	dir   string
	watch *watchdog.Watchdog
}

func openReleases(c *cli.Context, stderr io.Writer, limits edge.Limits) (*releases, error) {
	if format := c.String("output"); format != "text" && format != "json" {
		return nil, edge.Usage(c, "--output %q: expected text or json", format)
	}
	dir := strings.TrimPrefix(path.Clean(c.String("envs")), "/")
	if !fs.ValidPath(dir) {
		return nil, edge.Usage(c, "--envs: expected a directory in the repository")
	}
	root := c.String("repository-root")
	repository, err := edge.OpenRepository(cmp.Or(root, "."), root, limits.Source)
	if err != nil {
		return nil, err
	}
	r := &releases{Repository: repository, dir: dir, watch: watchdog.Start(stderr, c.App.Name, limits.Watchdog)}
	r.watch.Stage("reading the releases")
	return r, nil
}

func (r *releases) close() {
	r.watch.Stop()
	r.Tree.Close() //nolint:errcheck,gosec // opened for reading only
}

// read returns the release of an environment and its text.
func (r *releases) read(environment string) (*release.File, []byte, error) {
	var names []string
	entries, err := fs.ReadDir(r.Tree, r.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: there are no environments here; --envs names another directory", r.dir)
	}
	for _, e := range entries {
		name := path.Join(r.dir, e.Name(), release.FileName)
		if _, err := fs.Stat(r.Tree, name); err != nil {
			continue
		}
		names = append(names, e.Name())
		if e.Name() != environment {
			continue
		}
		text, err := fs.ReadFile(r.Tree, name)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, withoutPath(err))
		}
		f, err := release.Read(environment, name, text)
		return f, text, err
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s: no directory here has a %s", r.dir, release.FileName)
	}
	return nil, nil, fmt.Errorf("%s: unknown environment %q; there are %s", r.dir, environment, strings.Join(names, ", "))
}

// printable is a text for a terminal: with characters that would do something
// there, it is in quotes.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// change is what a verb did, or would do, to a file.
type change struct {
	release.Promotion
	Changed bool `json:"changed"`
}

// apply writes the image of p into f, whose text is given, and prints what
// changed.
func (r *releases) apply(c *cli.Context, f *release.File, text []byte, p release.Promotion, stdout io.Writer) error {
	edited, err := f.Set(p.New)
	if err != nil {
		return err
	}
	if p.Changed() && !c.Bool("dry-run") {
		if err := r.Replace(f.Name, text, edited); err != nil {
			return err
		}
	}
	if c.String("output") == "json" {
		return json.NewEncoder(stdout).Encode(change{p, p.Changed()})
	}
	if !p.Changed() {
		_, err := fmt.Fprintf(stdout, "%s: has %s already\n", f.Name, p.New)
		return err
	}
	if _, err := fmt.Fprintln(stdout, f.Name); err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][3]string{{"tag", p.Old.Tag, p.New.Tag}, {"digest", p.Old.Digest, p.New.Digest}} {
		if line[1] == line[2] {
			continue
		}
		if _, err := fmt.Fprintf(table, "  %s\t%s -> %s\n", line[0], cmp.Or(release.Printable(line[1]), "none"), cmp.Or(release.Printable(line[2]), "none")); err != nil {
			return err
		}
	}
	return table.Flush()
}
