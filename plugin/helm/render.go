package helm

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// DefaultKubeVersion is what a chart sees as .Capabilities.KubeVersion when
// nobody says which cluster it is for: the newest Kubernetes this version is
// tested with. Helm's own default is 1.20 in a program that was not built by
// Helm's makefile.
const DefaultKubeVersion = "v1.37.0"

// Options are the facts about a release.
type Options struct {
	// ReleaseName is .Release.Name: a DNS label of at most 53 characters.
	ReleaseName string
	// Namespace is .Release.Namespace.
	Namespace string
	// KubeVersion is the cluster's version, "1.37.2" or "v1.37.2"; empty means
	// DefaultKubeVersion.
	KubeVersion string
	// APIVersions are added to Helm's own set of API versions, as
	// `helm template --api-versions` does. Empty strings are ignored.
	APIVersions []string
	// SkipCRDs leaves out what is in crds/.
	SkipCRDs bool
	// IncludeTests keeps hooks of the event "test".
	IncludeTests bool
}

// Result is a rendered chart.
type Result struct {
	// Objects are CRDs, then manifests in Helm's install order, then hooks.
	Objects manifest.List
	// Values are the final values, defaults of the chart included.
	Values map[string]any
	// APIVersions is how the objects may depend on Options.APIVersions.
	APIVersions APIVersionUse
}

// Render renders the chart with values, which are laid over its defaults.
//
// A violation of values.schema.json is a *ValidationError. A failing template
// is an error that starts with file:line:column, relative to the repository.
// ctx is checked between steps; a running template cannot be interrupted.
func (c *Chart) Render(ctx context.Context, values map[string]any, opts Options) (Result, error) {
	if c.rendered {
		return Result{}, errors.New("a chart can be rendered once only")
	}
	c.rendered = true
	caps, err := capabilities(opts)
	if err != nil {
		return Result{}, err
	}
	if err := c.checkRelease(opts, caps); err != nil {
		return Result{}, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(c.chart, values); err != nil {
		return Result{}, fmt.Errorf("%s: processing dependencies: %w", path.Join(c.dir, "Chart.yaml"), err)
	}
	final, err := coalesce(c.chart, values)
	if err != nil {
		return Result{}, fmt.Errorf("%s: merging values: %w", c.dir, err)
	}
	if err := validate(c.chart, c.dir, final); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	// As chartutil.ToRenderValues makes it.
	top := chartutil.Values{
		"Chart": c.chart.Metadata, "Capabilities": visible(caps), "Values": final,
		"Release": map[string]any{
			"Name": opts.ReleaseName, "Namespace": opts.Namespace, "IsUpgrade": false, "IsInstall": true, "Revision": 1, "Service": "Helm",
		},
	}
	before := dumps.Load()
	files, err := execute(c.chart, top)
	if err != nil {
		return Result{}, c.templateError(err)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	objects, err := c.objects(files, opts)
	return Result{Objects: objects, Values: final, APIVersions: apiVersionUse(c.chart, final, before)}, err
}

func capabilities(opts Options) (*chartutil.Capabilities, error) {
	caps := chartutil.DefaultCapabilities.Copy()
	version := opts.KubeVersion
	if version == "" {
		version = DefaultKubeVersion
	}
	kube, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("kube-version %q is not a version such as 1.37.2", version)
	}
	caps.KubeVersion = *kube
	given := slices.DeleteFunc(slices.Clone(opts.APIVersions), func(v string) bool { return v == "" })
	caps.APIVersions = append(slices.Clone(caps.APIVersions), given...)
	return caps, nil
}

func (c *Chart) checkRelease(opts Options, caps *chartutil.Capabilities) error {
	var errs []error
	if chartutil.ValidateReleaseName(opts.ReleaseName) != nil {
		errs = append(errs, fmt.Errorf("release-name %q is not a name of at most 53 lower-case letters, digits, - and . that starts and ends with a letter or digit", opts.ReleaseName))
	}
	if want := c.chart.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.Version) {
		errs = append(errs, fmt.Errorf("%s: the chart needs Kubernetes %s; this render is for %s",
			path.Join(c.dir, "Chart.yaml"), want, caps.KubeVersion.Version))
	}
	return errors.Join(errs...)
}

// objects puts what the templates wrote into the order of `helm template`.
func (c *Chart) objects(files map[string]string, opts Options) (manifest.List, error) {
	var crds, manifests, hooks manifest.List
	var errs []error
	if !opts.SkipCRDs {
		for _, crd := range c.chart.CRDObjects() {
			list, err := manifest.Split(c.sourcePath(crd.Filename), string(crd.File.Data))
			crds, errs = append(crds, list...), append(errs, err)
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		if !strings.HasPrefix(path.Base(name), "_") && !strings.HasSuffix(name, "NOTES.txt") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		list, err := manifest.Split(c.sourcePath(name), files[name])
		errs = append(errs, err)
		for _, o := range list {
			switch events, isHook := hookEvents(o); {
			case !isHook:
				manifests = append(manifests, o)
			case len(events) == 0:
				// Helm skips hooks of an event it does not know.
			case opts.IncludeTests || !slices.Contains(events, release.HookTest):
				hooks = append(hooks, o)
			}
		}
	}
	sortByKind(manifests)
	sortByKind(hooks)
	return slices.Concat(crds, manifests, hooks), errors.Join(errs...)
}

// knownEvents are the hook events of Helm 3 and 4. "test-success" is Helm 2's
// name of "test".
var knownEvents = map[string]release.HookEvent{
	"pre-install": release.HookPreInstall, "post-install": release.HookPostInstall,
	"pre-delete": release.HookPreDelete, "post-delete": release.HookPostDelete,
	"pre-upgrade": release.HookPreUpgrade, "post-upgrade": release.HookPostUpgrade,
	"pre-rollback": release.HookPreRollback, "post-rollback": release.HookPostRollback,
	"test": release.HookTest, "test-success": release.HookTest,
}

// hookEvents returns the events of a hook; none if one of them is unknown.
func hookEvents(o manifest.Object) (events []release.HookEvent, isHook bool) {
	meta, _ := o.Fields["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	value, isHook := annotations[release.HookAnnotation]
	if !isHook {
		return nil, false
	}
	annotation, _ := value.(string)
	for name := range strings.SplitSeq(annotation, ",") {
		event, ok := knownEvents[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return nil, true
		}
		events = append(events, event)
	}
	return events, true
}

var kindOrder = func() map[string]int {
	order := make(map[string]int, len(releaseutil.InstallOrder))
	for i, kind := range releaseutil.InstallOrder {
		order[kind] = i
	}
	return order
}()

// sortByKind sorts by Helm's install order; kinds that are not in it come
// last, by name. Objects of one kind stay in the order of their files.
func sortByKind(list manifest.List) {
	rank := func(kind string) int {
		if i, ok := kindOrder[kind]; ok {
			return i
		}
		return len(kindOrder)
	}
	slices.SortStableFunc(list, func(a, b manifest.Object) int {
		ra, rb := rank(a.Kind()), rank(b.Kind())
		if ra == rb && ra == len(kindOrder) {
			return strings.Compare(a.Kind(), b.Kind())
		}
		return ra - rb
	})
}

// sourcePath turns Helm's name of a file, which starts with the chart's name,
// into a path of the repository.
func (c *Chart) sourcePath(name string) string {
	return path.Join(c.dir, strings.TrimPrefix(name, c.chart.Name()+"/"))
}
