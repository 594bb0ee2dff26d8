package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/app"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Migration is the command that brings the application's schema up to date, for the chart's hooks.migration.
var Migration = []string{"node", "dist/migrate.js"}

// Application is the application of package app under its name and these tags. Each is another image:
// APP_VERSION, which it answers with, is the tag. Node.js and the modules are a layer that stays in the user's cache.
func Application(ctx context.Context, tags ...string) ([]image.Image, error) {
	build, err := os.MkdirTemp("", "cp-application-")
	if err != nil {
		return nil, err
	}
	defer programs.RemoveScratch(build)
	built, err := app.Build(ctx, build)
	if err != nil {
		return nil, err
	}
	base, err := debianPart.layer(ctx)
	if err != nil {
		return nil, err
	}
	modules, err := applicationModules(built)
	if err != nil {
		return nil, err
	}
	const at = "/app/"
	files := []image.File{{Path: at + "package.json", Source: filepath.Join(built.Dir, "package.json"), Mode: 0o644}}
	scripts, err := filepath.Glob(filepath.Join(built.Dir, "dist", "*.js"))
	if err != nil {
		return nil, err
	}
	for _, s := range scripts {
		files = append(files, image.File{Path: at + "dist/" + filepath.Base(s), Source: s, Mode: 0o644})
	}
	program, err := image.Files(files...)
	if err != nil {
		return nil, err
	}
	var made []image.Image
	for _, tag := range tags {
		made = append(made, image.Image{
			Name: ApplicationName + ":" + tag, User: "1000", WorkingDir: at,
			Entrypoint: []string{"node", "--import", at + "dist/tracing.js", at + "dist/main.js"},
			Env:        []string{debianPath, "APP_VERSION=" + tag},
			Labels:     map[string]string{"org.opencontainers.image.version": tag},
			Layers:     []v1.Layer{base, modules, program},
		})
	}
	return made, nil
}

// applicationModules is the layer of what the lock file installs.
func applicationModules(built app.Application) (v1.Layer, error) {
	file, err := cached(built.Installed+".tar.gz", func(file string) error {
		root, err := programs.Scratch(filepath.Dir(file), "application")
		if err != nil {
			return err
		}
		defer programs.RemoveScratch(root)
		if err := os.Chmod(root, 0o755); err != nil {
			return err
		}
		bin := filepath.Join(root, "usr", "local", "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return err
		}
		if err := os.Link(built.Node, filepath.Join(bin, "node")); err != nil {
			return err
		}
		modules, err := filepath.EvalSymlinks(filepath.Join(built.Dir, "node_modules"))
		if err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(root, "app", "node_modules"), os.DirFS(modules)); err != nil {
			return fmt.Errorf("copying the modules: %w", err)
		}
		_, err = image.Tree(root, file)
		return err
	})
	if err != nil {
		return nil, err
	}
	return image.FromFile(file)
}
