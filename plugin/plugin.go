package plugin

import (
	"context"
	"io/fs"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/kustomize"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// APIVersionUse says how a result may depend on the API versions of a request.
type APIVersionUse = helm.APIVersionUse

// Options are the parts of a render that do not change its result.
type Options struct {
	// Stage, if not nil, is told what begins: "loading the chart".
	Stage func(name string)
	// APIVersions, if not nil, is told how the result may depend on
	// Request.APIVersions.
	APIVersions func(APIVersionUse)
}

func (o Options) begin(stage string) {
	if o.Stage != nil {
		o.Stage(stage)
	}
}

// Render returns the objects of the application that req names in tree.
//
// All independent problems of one stage are reported at once, joined. Errors
// name files relative to tree and hold no secret value; [Message] makes a text
// for people of them. ctx is checked between and in the stages, but a running
// template cannot be interrupted: a caller that needs a limit ends the process.
func Render(ctx context.Context, tree fs.FS, req Request, opts Options) (manifest.List, error) {
	r, err := render(ctx, tree, req, opts)
	return r.objects, err
}

// Explain renders and returns every final value of the chart and of its
// dependencies with the place that set it, sorted by path.
func Explain(ctx context.Context, tree fs.FS, req Request, opts Options) ([]values.Leaf, error) {
	r, err := render(ctx, tree, req, opts)
	if err != nil {
		return nil, err
	}
	all, err := withDefaults(ctx, tree, req, r.layers)
	if err != nil {
		return nil, err
	}
	return all.Leaves(r.final), nil
}

type rendering struct {
	objects manifest.List
	layers  []values.Layer
	final   map[string]any
}

func render(ctx context.Context, tree fs.FS, req Request, opts Options) (rendering, error) {
	var r rendering
	opts.begin("loading the chart") // before anything that the request decides: its time counts from here
	overlay, err := findOverlay(tree, req)
	if err != nil {
		return r, err
	}
	chart, err := helm.Load(ctx, tree, req.dir())
	if err != nil {
		return r, explainFile(err)
	}
	if err := req.check(); err != nil {
		return r, err
	}
	opts.begin("reading values")
	merged, layers, err := readValues(tree, req)
	if err != nil {
		return r, err
	}
	r.layers = layers
	// A chart may put a value into the message of fail.
	redacted := func(err error) error {
		if err == nil {
			return nil
		}
		return redact(err, secretsOf(ctx, tree, req, layers, merged))
	}

	opts.begin("rendering templates")
	rendered, err := chart.Render(ctx, merged.Values, req.release())
	if err != nil {
		return r, redacted(locate(ctx, tree, req, layers, err))
	}
	r.objects, r.final = rendered.Objects, rendered.Values
	if opts.APIVersions != nil {
		opts.APIVersions(rendered.APIVersions)
	}
	if overlay != "" {
		opts.begin("applying the overlay")
		r.objects, err = kustomize.Build(ctx, tree, overlay, r.objects)
		if err != nil {
			return r, redacted(err)
		}
	}
	opts.begin("checking the objects")
	err = manifest.Check(r.objects, manifest.CheckOptions{Namespace: req.Namespace, AllowEmpty: req.AllowEmpty})
	return r, redacted(err)
}
