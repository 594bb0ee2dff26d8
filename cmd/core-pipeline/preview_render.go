package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// rendered is the text of one render, shared by all Applications that ask for
// the same.
type rendered struct {
	yaml []byte
	json []string
}

// renderer renders Applications of one tree and remembers what it rendered.
type renderer struct {
	tree    fs.FS
	options plugin.Options
	format  string
	known   map[string]*rendered
}

// renderAll writes the manifests of all Applications, after all are rendered.
func (f *openFleet) renderAll(ctx context.Context, apps []*fleet.Application, format string, out io.Writer) error {
	r := renderer{tree: f.Tree, options: plugin.Options{Stage: f.watch.Stage}, format: format, known: map[string]*rendered{}}
	results, err := r.all(ctx, apps)
	if err != nil {
		return err
	}
	for i, a := range apps {
		if err := results[i].write(out, a.Name()); err != nil {
			return err
		}
	}
	return nil
}

// all renders every Application and reports all that fail. Those that fail for
// the same reason are one problem.
func (r *renderer) all(ctx context.Context, apps []*fleet.Application) ([]*rendered, error) {
	results := make([]*rendered, len(apps))
	failed := map[string]bool{}
	var errs []error
	for i, a := range apps {
		request, err := r.request(a)
		if err == nil {
			var key []byte
			key, err = json.Marshal(request)
			if failed[string(key)] {
				continue
			}
			if err == nil {
				results[i], err = r.render(ctx, string(key), request)
			}
			failed[string(key)] = err != nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rendering %s: %w", a.Name(), err))
		}
	}
	return results, errors.Join(errs...)
}

func (r *renderer) render(ctx context.Context, key string, request plugin.Request) (*rendered, error) {
	if known, ok := r.known[key]; ok {
		return known, nil
	}
	list, err := plugin.Render(ctx, r.tree, request, r.options)
	if err != nil {
		return nil, err
	}
	result := &rendered{}
	if r.format == "json" {
		result.json, err = manifest.JSON(list)
	} else {
		var b bytes.Buffer
		err = manifest.WriteYAML(&b, list)
		result.yaml = b.Bytes()
	}
	r.known[key] = result
	return result, err
}

// request is what Argo CD would ask the plugin for. Files that are optional
// and not there are left out, so that equal renders are equal requests.
func (r *renderer) request(a *fleet.Application) (plugin.Request, error) {
	if !a.UsesPlugin() {
		return plugin.Request{}, errors.New("the source has no plugin; only what the plugin renders can be shown")
	}
	data, err := json.Marshal(a.Parameters())
	if err != nil {
		return plugin.Request{}, err
	}
	parameters, err := plugin.ReadParameters(string(data))
	if err != nil {
		return plugin.Request{}, err
	}
	if parameters.ReleaseName == "" {
		parameters.ReleaseName = a.Name()
	}
	if parameters.Namespace == "" {
		parameters.Namespace = a.Namespace()
	}
	parameters.OptionalValueFiles = slices.DeleteFunc(parameters.OptionalValueFiles, func(file string) bool {
		at := strings.TrimPrefix(path.Clean(file), "/")
		if !path.IsAbs(file) {
			at = path.Join(a.Path(), file)
		}
		_, err := fs.Stat(r.tree, at)
		return errors.Is(err, fs.ErrNotExist)
	})
	return plugin.Request{Dir: a.Path(), Parameters: parameters}, nil
}

func (r *rendered) write(out io.Writer, application string) error {
	if r.json == nil {
		_, err := fmt.Fprintf(out, "# Application %s\n%s", application, r.yaml)
		return err
	}
	for _, line := range r.json {
		if _, err := fmt.Fprintf(out, `{"application":%q,"manifest":%s}`+"\n", application, line); err != nil {
			return err
		}
	}
	return nil
}
