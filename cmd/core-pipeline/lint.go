package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// placeholder stands for the environment's name in the parameters of lint.
const placeholder = "{environment}"

func lintCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := append([]cli.Flag{rootFlag()}, parameterFlags()...)
	return &cli.Command{
		Name: "lint", Usage: "render every environment and report what would surprise in Argo CD",
		ArgsUsage: "[CHART_DIR]",
		Description: "Renders every environment of the chart twice and in both orders. Reports renders that fail or differ, values files\n" +
			"and overlays that nothing uses, and values that the chart does not have. In value-files, optional-value-files and\n" +
			"overlay, " + placeholder + " stands for the name of the environment.\n\n" +
			examples("core-pipeline lint charts/core-pipeline",
				"core-pipeline lint --optional-value-files '/argocd/envs/{environment}/release.yaml' --overlay '/argocd/envs/{environment}' charts/core-pipeline"),
		Flags: append(flags, limits.Flags()...),
		Action: func(c *cli.Context) error {
			app, err := openApplication(c, stderr, limits)
			if err != nil {
				return err
			}
			defer app.close()
			l := linter{application: app}
			if err := l.run(c.Context, c.String("environment")); err != nil {
				return err
			}
			return l.report(stdout)
		},
	}
}

// linter collects what it finds about one application.
type linter struct {
	*application
	environments []string
	findings     []string
}

func (l *linter) report(stdout io.Writer) error {
	if len(l.findings) == 0 {
		names := make([]string, len(l.environments))
		for i, e := range l.environments {
			names[i] = label(e)
		}
		_, err := fmt.Fprintf(stdout, "%s: no problems in %s\n", l.Dir, strings.Join(names, ", "))
		return err
	}
	for _, f := range l.findings {
		if _, err := fmt.Fprintln(stdout, f); err != nil {
			return err
		}
	}
	if len(l.findings) == 1 {
		return fmt.Errorf("%s: 1 problem was found", l.Dir)
	}
	return fmt.Errorf("%s: %d problems were found", l.Dir, len(l.findings))
}

func (l *linter) find(format string, args ...any) {
	f := fmt.Sprintf(format, args...)
	if !slices.Contains(l.findings, f) {
		l.findings = append(l.findings, f)
	}
}

func (l *linter) run(ctx context.Context, only string) error {
	l.environments = plugin.Environments(l.Tree, l.Dir)
	if only != "" {
		l.environments = []string{only}
	} else if err := l.files(); err != nil {
		return err
	}
	if len(l.environments) == 0 {
		l.environments = []string{""} // the chart's own defaults
	}
	first := map[string]manifest.List{}
	order := slices.Concat(l.environments, l.environments)
	slices.Reverse(order[len(l.environments):])
	for _, environment := range order {
		list, err := plugin.Render(ctx, l.Tree, l.requestFor(environment), l.options())
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			l.find("%s: %s", label(environment), strings.ReplaceAll(plugin.Message(err), "\n", "\n  "))
			continue
		}
		if before, ok := first[environment]; ok {
			l.compare(environment, before, list)
		}
		first[environment] = list
	}
	for _, environment := range l.environments {
		unknown, err := plugin.UnknownValues(ctx, l.Tree, l.requestFor(environment))
		if err != nil {
			continue // the render has reported it
		}
		for _, leaf := range unknown {
			l.find("%s: %s: the chart has no such value", leaf.Origin, leaf.Path)
		}
	}
	return nil
}

func label(environment string) string {
	if environment == "" {
		return "defaults"
	}
	return environment
}

// requestFor puts the environment's name into the parameters. An overlay that
// is named with the placeholder and does not exist is none.
func (l *linter) requestFor(environment string) plugin.Request {
	req := l.request
	req.Environment = environment
	fill := func(list []string) []string {
		out := make([]string, len(list))
		for i, p := range list {
			out[i] = strings.ReplaceAll(p, placeholder, environment)
		}
		return out
	}
	req.ValueFiles = fill(req.ValueFiles)
	req.OptionalValueFiles = fill(req.OptionalValueFiles)
	if strings.Contains(req.Overlay, placeholder) {
		req.Overlay = strings.ReplaceAll(req.Overlay, placeholder, environment)
		if _, err := fs.Stat(l.Tree, l.inTree(req.Overlay)); errors.Is(err, fs.ErrNotExist) {
			req.Overlay = ""
		}
	}
	return req
}

// compare reports objects that differ between two renders of the same input.
func (l *linter) compare(environment string, a, b manifest.List) {
	if len(a) != len(b) {
		l.find("%s: two renders of the same input give %d and %d objects", label(environment), len(a), len(b))
		return
	}
	for i := range a {
		if a[i].ID() != b[i].ID() {
			l.find("%s: %s: a %s has another name or place in two renders of the same input: a random value or the time", label(environment), a[i].Source, a[i].Kind())
		} else if !reflect.DeepEqual(a[i].Fields, b[i].Fields) {
			l.find("%s: %s: %s differs between two renders of the same input: a random value or the time", label(environment), a[i].Source, a[i].ID())
		}
	}
}
