package main

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
)

func clusterCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "cluster", Usage: "add, check and remove the clusters that Argo CD deploys to",
		Subcommands: []*cli.Command{
			clusterAddCommand(stdout, stderr),
			clusterLintCommand(stdout, stderr),
			clusterRemoveCommand(stdout, stderr),
		},
	}
}

func clusterLintCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	return &cli.Command{
		Name: "lint", Usage: "report what Argo CD would not, or do something else about",
		Description: "Checks every cluster's file against the ApplicationSets and AppProjects: names, labels, servers, certificates,\n" +
			"credentials, and that exactly one ApplicationSet selects the cluster and exactly its own project admits it.\nPrints one line for each finding.\n\n" +
			examples("core-pipeline cluster lint"),
		Flags: fleetFlags(&limits),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			f, err := loadFleet(c, stderr, limits)
			if err != nil {
				return err
			}
			defer f.close()
			f.watch.Stage("checking the clusters")
			findings := f.findings.And(f.Lint(fleet.Options{Now: time.Now()}))
			if len(findings) == 0 {
				_, err := fmt.Fprintf(stdout, "%s: no problems in %s\n", f.paths.Clusters, counted(len(f.Clusters()), "cluster"))
				return err
			}
			for _, finding := range findings {
				if _, err := fmt.Fprintln(stdout, finding); err != nil {
					return err
				}
			}
			if len(findings) == 1 {
				return fmt.Errorf("%s: 1 problem was found", f.paths.Clusters)
			}
			return fmt.Errorf("%s: %d problems were found", f.paths.Clusters, len(findings))
		},
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clusterRemoveCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "delete", Usage: "delete the file of a cluster that is disabled, and its values"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print the steps and write nothing"},
	}
	return &cli.Command{
		Name: "remove", Usage: "disable a cluster and print the steps in which it leaves safely",
		ArgsUsage: "NAME",
		Description: "Sets the label core-pipeline.io/enabled of the cluster's file to \"false\" and prints what is left to do, in order.\n" +
			"With --delete, the file goes: when the Applications of the cluster are gone.\n\n" +
			examples("core-pipeline cluster remove prod-eu-2", "core-pipeline cluster remove prod-eu-2 --delete"),
		Flags: append(flags, fleetFlags(&limits)...),
		Action: nameFirst(func(c *cli.Context) error {
			name, err := oneName(c)
			if err != nil {
				return err
			}
			f, err := loadFleet(c, stderr, limits)
			if err != nil {
				return err
			}
			defer f.close()
			// Where a file is not understood, it is not known what a change does.
			if err := f.findings.Harmful().Err(); err != nil {
				return err
			}
			cluster := f.Cluster(name)
			if cluster == nil {
				return fmt.Errorf("%s: no file declares a cluster %q", f.paths.Clusters, name)
			}
			steps, err := f.remove(cluster, c.Bool("delete"), c.Bool("dry-run"))
			if err != nil {
				return err
			}
			for i, step := range steps {
				if _, err := fmt.Fprintf(stdout, "%d. %s\n", i+1, step); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// remove edits or deletes the cluster's file and returns the steps from there.
func (f *openFleet) remove(cluster *fleet.Cluster, deleting, dry bool) ([]string, error) {
	steps := f.Steps(cluster)
	if !deleting {
		if !cluster.Enabled() || dry {
			return steps, nil
		}
		text, err := fs.ReadFile(f.Tree, cluster.File)
		if err != nil {
			return nil, err
		}
		edited, err := cluster.Disable(text)
		if err != nil {
			return nil, err
		}
		return steps, f.Replace(cluster.File, text, edited)
	}
	if cluster.Enabled() {
		return nil, fmt.Errorf("%s: the cluster is enabled; run core-pipeline cluster remove %s first, and wait for its Applications to go", cluster.File, cluster.Name)
	}
	var deleted []string
	for _, file := range append(f.ValuesFiles(cluster), cluster.File) {
		if _, err := fs.Stat(f.Tree, file); err != nil {
			continue
		}
		deleted = append(deleted, file)
		if dry {
			continue
		}
		if err := f.Remove(file); err != nil {
			return nil, err
		}
	}
	// The steps up to the deletion of the file are done.
	done := slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, fleet.StepDelete) })
	return append([]string{"commit and merge the deletion of " + strings.Join(deleted, ", ")}, steps[done+1:]...), nil
}
