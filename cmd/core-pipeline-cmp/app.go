package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

// sidecar is the state of one call of the program.
type sidecar struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	limits         edge.Limits
	serving        serveOptions
}

// newApp builds the command line. Everything but results goes to stderr: what
// is on stdout is applied to a cluster.
func newApp(stdout, stderr io.Writer, getenv func(string) string) *cli.App {
	s := &sidecar{stdout: stdout, stderr: stderr, getenv: getenv}
	limits := s.limits.Flags()
	return &cli.App{
		Name:   "core-pipeline-cmp",
		Usage:  "render applications for Argo CD, as a config management plugin",
		Writer: stderr,
		Commands: []*cli.Command{
			s.serveCommand(), s.healthcheckCommand(), s.workerCommand(),
			{
				Name: "generate", Usage: "print the manifests of the application in the working directory",
				Description: "Reads ARGOCD_APP_PARAMETERS, ARGOCD_APP_NAME, ARGOCD_APP_NAMESPACE, ARGOCD_APP_SOURCE_PATH,\nKUBE_VERSION and KUBE_API_VERSIONS, as argocd-cmp-server sets them.",
				Flags:       limits, Action: s.run(s.generate),
			}, {
				Name: "discover", Usage: "print the directory's path if it is an application for this plugin, else nothing",
				Flags: limits, Action: s.run(s.discover),
			}, {
				Name: "parameters", Usage: "print what Argo CD's user interface offers, as JSON",
				Flags: limits, Action: s.run(s.parameters),
			},
			edge.VersionCommand(stdout, "core-pipeline-cmp"),
		},
	}
}

// application is the tree that Argo CD sent and the application in it.
type application struct {
	tree  source.Tree
	dir   string
	watch *watchdog.Watchdog
}

// run opens the working directory, watches the limits, and prints what verb
// wrote once it has succeeded.
func (s *sidecar) run(verb func(*cli.Context, application, io.Writer) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Present() {
			return edge.Usage(c, "unexpected argument %q", c.Args().First())
		}
		watch := watchdog.Start(s.stderr, c.App.Name, s.limits.Watchdog)
		defer watch.Stop()
		repository, err := edge.OpenRepository(".", "", s.limits.Source)
		if err != nil {
			return fmt.Errorf("opening the working directory: %w", err)
		}
		defer repository.Tree.Close() //nolint:errcheck // opened for reading only
		prefix := plugin.Narrowed(s.getenv("ARGOCD_APP_SOURCE_PATH"), repository.Dir)
		app := application{
			tree: source.Mount(repository.Tree, prefix), dir: path.Join(prefix, repository.Dir), watch: watch,
		}
		var out bytes.Buffer
		if err := verb(c, app, &out); err != nil {
			return err
		}
		_, err = out.WriteTo(s.stdout)
		return err
	}
}

func (s *sidecar) generate(c *cli.Context, app application, out io.Writer) error {
	req, err := plugin.ReadEnvironment(s.getenv, app.dir)
	if err != nil {
		return err
	}
	list, err := plugin.Render(c.Context, app.tree, req, plugin.Options{Stage: app.watch.Stage})
	if err != nil {
		return err
	}
	return manifest.WriteYAML(out, list)
}

func (s *sidecar) discover(_ *cli.Context, app application, out io.Writer) error {
	if !plugin.Discover(app.tree, app.dir) {
		return nil
	}
	_, err := fmt.Fprintln(out, app.dir)
	return err
}

func (s *sidecar) parameters(_ *cli.Context, app application, out io.Writer) error {
	announcements, err := plugin.Announce(app.tree, app.dir)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(announcements)
}
