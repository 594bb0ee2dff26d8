package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage:
  release image --version V --revision COMMIT --created RFC3339 [--dist DIR] [--plugin FILE] --out DIR
  release push  --layout DIR --to REGISTRY/NAME:TAG
  release notes --version V [--changelog FILE]`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	value := func(name, initial string) *string { return flags.String(name, initial, "") }
	var required []*string
	need := func(name string) *string {
		v := value(name, "")
		required = append(required, v)
		return v
	}
	var do func() error
	switch args[0] {
	case "image":
		v, revision, created, out := need("version"), need("revision"), need("created"), need("out")
		dist, plugin := value("dist", "dist"), value("plugin", "plugin/plugin.yaml")
		do = func() error {
			at, err := time.Parse(time.RFC3339, *created)
			if err != nil {
				return fmt.Errorf("--created: %w", err)
			}
			return writeImage(*out, image{Dist: *dist, Plugin: *plugin, Version: *v, Revision: *revision, Created: at.UTC()}, stdout)
		}
	case "push":
		layout, to := need("layout"), need("to")
		do = func() error { return push(ctx, *layout, *to, stdout) }
	case "notes":
		v, changelog := need("version"), value("changelog", "CHANGELOG.md")
		do = func() error {
			data, err := os.ReadFile(*changelog)
			if err != nil {
				return fmt.Errorf("reading the changelog: %w", err)
			}
			text, err := notes(string(data), *v)
			if err == nil {
				_, err = io.WriteString(stdout, text)
			}
			return err
		}
	default:
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q\n%s", flags.Arg(0), usage)
	}
	for _, v := range required {
		if *v == "" {
			return fmt.Errorf("%s: a flag is missing\n%s", args[0], usage)
		}
	}
	return do()
}
