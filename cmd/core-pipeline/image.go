package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/release"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
)

func imageCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name: "image", Usage: "change the image that an environment runs",
		Subcommands: []*cli.Command{imageSetCommand(stdout, stderr)},
	}
}

func imageSetCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	flags := []cli.Flag{
		&cli.StringFlag{Name: "env", Usage: "`ENVIRONMENT` whose release.yaml is edited"},
		&cli.StringFlag{Name: "tag", Usage: "`TAG` of the image"},
		&cli.StringFlag{Name: "digest", Usage: "`DIGEST` of the image: sha256: and 64 hexadecimal digits; without it, the file gets none, the tag decides what runs, and promote refuses it"},
	}
	return &cli.Command{
		Name: "set", Usage: "write a tag and a digest into the release.yaml of an environment",
		Description: "Edits the two texts and no other byte: comments, quotes, order and line endings stay. A tag that YAML would take for\n" +
			"a number is put in quotes. The file is replaced whole, or not at all.\n\n" +
			examples("core-pipeline image set --env dev --tag 1.2.0 --digest sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
				"core-pipeline image set --env dev --tag 1.2.0 -o json"),
		Flags: append(flags, releaseFlags(&limits)...),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			for _, name := range []string{"env", "tag"} {
				if c.String(name) == "" {
					return edge.Usage(c, "--%s is missing", name)
				}
			}
			image := release.Image{Tag: c.String("tag"), Digest: c.String("digest")}
			if c.IsSet("digest") && image.Digest == "" {
				return edge.Usage(c, "--digest is empty; leave it out to write none")
			}
			if err := image.Check(); err != nil {
				return fmt.Errorf("--%w", err)
			}
			r, err := openReleases(c, stderr, limits)
			if err != nil {
				return err
			}
			defer r.close()
			f, text, err := r.read(c.String("env"))
			if err != nil {
				return err
			}
			return r.apply(c, f, text, release.Promotion{File: f.Name, To: f.Environment, Old: f.Image, New: image}, stdout)
		},
	}
}
