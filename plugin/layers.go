package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/kustomize"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// readValues merges the layers above the chart's own values.yaml: the
// environment's file, value-files, optional-value-files, values, set and
// set-json. It also returns them one by one, lowest first.
func readValues(tree fs.FS, req Request) (*values.Merged, []values.Layer, error) {
	var layers []values.Layer
	var errs []error
	read := func(parameter, file string) {
		layer, err := readLayer(tree, req, parameter, file)
		layers, errs = append(layers, layer), append(errs, err)
	}
	if file, err := environmentFile(tree, req); err != nil {
		errs = append(errs, err)
	} else if file != "" {
		read("environment", file)
	}
	for _, p := range req.ValueFiles {
		if file, err := req.resolve("value-files", p); err != nil {
			errs = append(errs, err)
		} else {
			read("value-files", file)
		}
	}
	for _, p := range req.OptionalValueFiles {
		file, err := req.resolve("optional-value-files", p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := fs.Stat(tree, file); !errors.Is(err, fs.ErrNotExist) {
			read("optional-value-files", file)
		}
	}
	if strings.TrimSpace(req.Values) != "" {
		layer, err := values.Parse(`parameter "values"`, []byte(req.Values))
		layers, errs = append(layers, layer), append(errs, err)
	}
	merged := &values.Merged{}
	for _, layer := range layers {
		merged.Add(layer)
	}
	errs = append(errs, assign(merged, req))
	return merged, layers, errors.Join(errs...)
}

func assign(merged *values.Merged, req Request) error {
	return errors.Join(
		merged.SetString(`parameter "set"`, req.Set),
		merged.SetJSON(`parameter "set-json"`, req.SetJSON),
	)
}

func readLayer(tree fs.FS, req Request, parameter, file string) (values.Layer, error) {
	data, err := fs.ReadFile(tree, file)
	if errors.Is(err, fs.ErrNotExist) {
		advice := fromRoot(tree, req, file)
		if advice == "" {
			advice = didYouMean(path.Base(file), filesBeside(tree, file))
		}
		return values.Layer{}, fmt.Errorf("%s: %s: no such file%s", parameter, clip(file), advice)
	}
	if err != nil {
		return values.Layer{}, fmt.Errorf("%s: %w", parameter, err)
	}
	return values.Parse(file, data)
}

// fromRoot advises the leading / that a path which does not exist in the
// application's directory lacks: on a command line, paths are completed from
// the working directory.
func fromRoot(tree fs.FS, req Request, at string) string {
	inRoot, ok := strings.CutPrefix(at, req.dir()+"/")
	if !ok {
		return ""
	}
	if _, err := fs.Stat(tree, inRoot); err != nil {
		return ""
	}
	return "; did you mean /" + clip(inRoot) + ", from the repository's root?"
}

func filesBeside(tree fs.FS, file string) []string {
	var names []string
	entries, _ := fs.ReadDir(tree, path.Dir(file))
	for _, e := range entries {
		// The file itself is listed if it is a link that leads nowhere.
		if !e.IsDir() && e.Name() != path.Base(file) {
			names = append(names, e.Name())
		}
	}
	return names
}

// environmentFile is the values file of the environment, "" for none.
func environmentFile(tree fs.FS, req Request) (string, error) {
	if req.Environment == "" {
		return "", nil
	}
	file := path.Join(req.dir(), "values-"+req.Environment+".yaml")
	if dnsLabel.MatchString(req.Environment) {
		_, err := fs.Stat(tree, file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	exist := "there is no values-<environment>.yaml there"
	if names := Environments(tree, req.dir()); len(names) > 0 {
		exist = "there are " + strings.Join(names, ", ")
	}
	return "", fmt.Errorf("environment %q: no values-%s.yaml in %s; %s", clip(req.Environment), clip(req.Environment), req.dir(), exist)
}

// Environments lists the environments that dir has a values file for, sorted.
func Environments(tree fs.FS, dir string) []string {
	var names []string
	entries, _ := fs.ReadDir(tree, dir)
	for _, e := range entries {
		name, isValues := strings.CutPrefix(e.Name(), "values-")
		name, isYAML := strings.CutSuffix(name, ".yaml")
		if isValues && isYAML && dnsLabel.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// findOverlay returns the directory of the kustomization to apply, "" for none.
func findOverlay(tree fs.FS, req Request) (string, error) {
	if req.Overlay == "" {
		if !dnsLabel.MatchString(req.Environment) {
			return "", nil
		}
		dir := path.Join(req.dir(), "overlays", req.Environment)
		_, err := kustomize.Find(tree, dir)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return dir, err
	}
	dir, err := req.resolve("overlay", req.Overlay)
	if err != nil {
		return "", err
	}
	_, err = kustomize.Find(tree, dir)
	if errors.Is(err, fs.ErrNotExist) {
		advice := fromRoot(tree, req, dir)
		if advice == "" {
			advice = didYouMean(path.Base(dir), overlaysBeside(tree, dir))
		}
		return "", fmt.Errorf("overlay: %s has no kustomization.yaml%s", clip(dir), advice)
	}
	return dir, err
}

func overlaysBeside(tree fs.FS, dir string) []string {
	var names []string
	entries, _ := fs.ReadDir(tree, path.Dir(dir))
	for _, e := range entries {
		if _, err := kustomize.Find(tree, path.Join(path.Dir(dir), e.Name())); err == nil {
			names = append(names, e.Name())
		}
	}
	return names
}

// withDefaults lays layers and assignments over the chart's own defaults, to
// know where every value came from.
func withDefaults(ctx context.Context, tree fs.FS, req Request, layers []values.Layer) (*values.Merged, error) {
	chart, err := helm.Load(ctx, tree, req.dir())
	if err != nil {
		return nil, err
	}
	all := &values.Merged{}
	for _, f := range chart.ValuesFiles() {
		layer, err := values.Parse(f.File, f.Data)
		if err != nil {
			return nil, err
		}
		all.Add(layer.Under(f.Under...))
	}
	for _, i := range chart.Imports() {
		all.Import(i.Child, i.Parent)
	}
	for _, layer := range layers {
		all.Add(layer)
	}
	return all, assign(all, req)
}

// locate adds to each violation of the schema the place that set the value.
func locate(ctx context.Context, tree fs.FS, req Request, layers []values.Layer, err error) error {
	failed, ok := errors.AsType[*helm.ValidationError](err)
	if !ok {
		return explainFile(err)
	}
	all, errDefaults := withDefaults(ctx, tree, req, layers)
	errs := make([]error, len(failed.Violations))
	for i, v := range failed.Violations {
		text := strings.Join(append([]string{"values"}, v.Path...), ".") + ": " + v.Message
		if errDefaults == nil {
			at := all.PathOf(v.Path...)
			if origin, ok := all.Origin(at); ok {
				text = origin.String() + ": " + at + ": " + v.Message
			}
		}
		errs[i] = &schemaError{text}
	}
	return errors.Join(errs...)
}

// schemaError is one violation of values.schema.json, with its place.
type schemaError struct{ text string }

func (e *schemaError) Error() string { return e.text }

// explainFile looks again at a file that Helm cannot read, for the line.
func explainFile(err error) error {
	broken, ok := errors.AsType[*helm.FileError](err)
	if !ok || broken.Data == nil {
		return err
	}
	if _, found := values.Parse(broken.File, broken.Data); found != nil {
		return found
	}
	return fmt.Errorf("%s: a field has the wrong type", broken.File)
}
