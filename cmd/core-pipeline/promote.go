package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/release"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/internal/checkout"
)

func promoteCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	stages := strings.Join(release.DefaultStages(), ",")
	flags := []cli.Flag{
		&cli.StringFlag{Name: "stages", Value: stages, Usage: "`ENVIRONMENTS` in the order in which an image goes through them, with commas"},
	}
	return &cli.Command{
		Name: "promote", Usage: "give an environment the image of the one before",
		ArgsUsage: "FROM TO",
		Description: "Copies the tag and the digest from the release.yaml of FROM to that of TO, and no other byte. Refuses to skip a\n" +
			"stage, an older version, a tag that may move, an image without a digest, and a working tree that is not what is\n" +
			"committed on a branch. A tag stays if it is " + release.FixedRule + ".\n\n" +
			examples("core-pipeline promote dev staging", "core-pipeline promote staging prod --dry-run"),
		Flags: append(flags, releaseFlags(&limits)...),
		Action: argumentsFirst(2, func(c *cli.Context) error {
			if c.NArg() != 2 {
				return edge.Usage(c, "two environments are expected, found %d arguments", c.NArg())
			}
			stages := release.Stages(strings.Split(c.String("stages"), ","))
			if err := stages.Check(); err != nil {
				return edge.Usage(c, "--stages: %w", err)
			}
			from, to := c.Args().Get(0), c.Args().Get(1)
			r, err := openReleases(c, stderr, limits)
			if err != nil {
				return err
			}
			defer r.close()
			if err := stages.Step(from, to); err != nil {
				return err
			}
			source, _, err := r.read(from)
			target, text, also := r.read(to)
			if err := errors.Join(err, also); err != nil {
				return err
			}
			promotion, err := release.Promote(source, target)
			r.watch.Stage("comparing the working tree")
			if err := errors.Join(err, clean(c, r.Root(), source.Name, target.Name)); err != nil {
				return err
			}
			return r.apply(c, target, text, promotion, stdout)
		}),
	}
}

// clean reports a working tree that is not what a branch has: what goes to the
// next stage must be what has been reviewed.
func clean(c *cli.Context, root string, files ...string) error {
	tree, err := checkout.Open(root)
	if err != nil {
		return fmt.Errorf("the working tree %w", err)
	}
	defer tree.Close()
	if _, err := tree.Branch(); err != nil {
		return fmt.Errorf("the working tree: %w", err)
	}
	changed, err := tree.Changed(c.Context, files...)
	if err != nil {
		return fmt.Errorf("the working tree: %w", err)
	}
	if len(changed) == 0 {
		return nil
	}
	for i, name := range changed {
		changed[i] = printable(name)
	}
	const most = 3
	list := strings.Join(changed[:min(len(changed), most)], ", ")
	if more := len(changed) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("the working tree is not clean: %s; commit or restore first", list)
}
