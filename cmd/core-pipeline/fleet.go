package main

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

const fleetCategory = "Directories"

// fleetFlags are those of all verbs about clusters.
func fleetFlags(limits *edge.Limits) []cli.Flag {
	paths := fleet.DefaultPaths()
	dir := func(name, value, holds string) cli.Flag {
		return &cli.StringFlag{Name: name, Value: value, Usage: "`DIR` of the " + holds + ", from the repository's root", Category: fleetCategory}
	}
	return append([]cli.Flag{
		rootFlag(),
		dir("clusters", paths.Clusters, "cluster Secrets and ExternalSecrets"),
		dir("applicationsets", paths.ApplicationSets, "ApplicationSets"),
		dir("projects", paths.Projects, "AppProjects"),
	}, limits.Flags()...)
}

// openFleet is an open repository, the fleet in it, and what was found while
// it was read.
type openFleet struct {
	edge.Repository
	*fleet.Fleet
	paths    fleet.Paths
	findings fleet.Findings
	watch    *watchdog.Watchdog
}

func loadFleet(c *cli.Context, stderr io.Writer, limits edge.Limits) (*openFleet, error) {
	var paths fleet.Paths
	for name, to := range map[string]*string{"clusters": &paths.Clusters, "applicationsets": &paths.ApplicationSets, "projects": &paths.Projects} {
		*to = strings.TrimPrefix(path.Clean(c.String(name)), "/")
		if !fs.ValidPath(*to) {
			return nil, edge.Usage(c, "--%s: expected a directory in the repository", name)
		}
	}
	root := c.String("repository-root")
	repository, err := edge.OpenRepository(cmp.Or(root, "."), root, limits.Source)
	if err != nil {
		return nil, err
	}
	f := &openFleet{Repository: repository, paths: paths, watch: watchdog.Start(stderr, c.App.Name, limits.Watchdog)}
	f.watch.Stage("reading the clusters")
	f.Fleet, f.findings = fleet.Load(repository.Tree, paths)
	return f, nil
}

func (f *openFleet) close() {
	f.watch.Stop()
	f.Tree.Close() //nolint:errcheck,gosec // opened for reading only
}

// noArguments refuses arguments of a verb that has none.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return edge.Usage(c, "no argument is expected, found %q", c.Args().First())
	}
	return nil
}

// oneName is the one argument of a verb.
func oneName(c *cli.Context) (string, error) {
	switch c.Args().Len() {
	case 0:
		return "", edge.Usage(c, "the name of the cluster is missing")
	case 1:
		return c.Args().First(), nil
	}
	return "", edge.Usage(c, "one name is expected, found %d arguments", c.Args().Len())
}

// nameFirst lets flags follow the argument: `add NAME --ring main`.
func nameFirst(action cli.ActionFunc) cli.ActionFunc { return argumentsFirst(1, action) }

// argumentsFirst lets flags follow the first n arguments. The library stops at
// the first argument, so the verb is run again with the arguments at the end.
func argumentsFirst(n int, action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		rest := c.Args().Slice()
		if len(rest) <= n || !strings.HasPrefix(rest[n], "-") {
			return action(c)
		}
		parent := c.Lineage()[1]
		all := parent.Args().Slice()
		at := len(all) - len(rest)
		again := cli.NewContext(c.App, nil, parent)
		again.Command = c.Command
		return c.Command.Run(again, slices.Concat(all[:at], rest[n:], rest[:n])...)
	}
}
