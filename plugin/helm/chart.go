package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"
)

// MaxChartFiles bounds the directory entries that are looked at below one
// chart: links inside the repository can make a tree without end.
const MaxChartFiles = 20_000

// ErrNoChart is returned by Load for a directory without Chart.yaml.
var ErrNoChart = errors.New("there is no Chart.yaml")

// FileError says that one of the chart's YAML files cannot be read. The cause
// is left out because parsers quote what they read; the caller, which knows
// how to read YAML with positions, looks at the file again.
type FileError struct {
	// File is relative to the repository root.
	File string
	// Data is its content.
	Data []byte
}

func (e *FileError) Error() string { return e.File + ": not valid YAML" }

// Chart is a loaded chart. It is rendered once: Helm changes a chart's
// defaults and dependencies while it renders.
type Chart struct {
	chart    *chart.Chart
	dir      string
	rendered bool
}

// Load reads the chart in directory dir of tree, with its vendored
// dependencies, as Helm does: .helmignore and Helm's limit of 5 MiB for a file
// hold. Errors name files relative to tree.
func Load(ctx context.Context, tree fs.FS, dir string) (*Chart, error) {
	if _, err := fs.Stat(tree, path.Join(dir, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoChart)
	} else if err != nil {
		return nil, err
	}
	w := walker{ctx: ctx, tree: tree, root: dir}
	if err := w.readIgnore(); err != nil {
		return nil, err
	}
	if err := w.walk(""); err != nil {
		return nil, err
	}
	loaded, err := loadFiles(w.files)
	if err != nil {
		return nil, w.loadError(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sortDependencies(loaded)
	c := &Chart{chart: loaded, dir: dir}
	return c, c.check()
}

// Name returns the chart's name.
func (c *Chart) Name() string { return c.chart.Name() }

// Version returns the chart's version.
func (c *Chart) Version() string { return c.chart.Metadata.Version }

// ValuesFile is a file with defaults of the chart or of one of its
// dependencies.
type ValuesFile struct {
	// File is relative to the repository root.
	File string
	// Under is the path of keys below which the parent sees these values;
	// empty for the chart itself.
	Under []string
	Data  []byte
}

// ValuesFiles lists the files with defaults, those that win last: a chart's
// own come after those of its dependencies.
func (c *Chart) ValuesFiles() []ValuesFile {
	var out []ValuesFile
	var add func(ch *chart.Chart, dir string, under []string)
	add = func(ch *chart.Chart, dir string, under []string) {
		for _, dep := range ch.Dependencies() {
			names := []string{dep.Name()}
			for _, d := range ch.Metadata.Dependencies {
				if d != nil && d.Name == dep.Name() && d.Alias != "" {
					names = append(names, d.Alias)
				}
			}
			for _, name := range names {
				add(dep, path.Join(dir, "charts", dep.Name()), append(slices.Clone(under), name))
			}
		}
		for _, f := range ch.Raw {
			if f.Name == valuesFile {
				out = append(out, ValuesFile{File: path.Join(dir, f.Name), Under: under, Data: f.Data})
			}
		}
	}
	add(c.chart, c.dir, nil)
	return out
}

// Schema returns values.schema.json of the chart, nil if it has none.
func (c *Chart) Schema() []byte { return c.chart.Schema }

// check refuses what Helm would not install.
func (c *Chart) check() error {
	if t := c.chart.Metadata.Type; t != "" && t != "application" {
		return fmt.Errorf("%s: %s is a %s chart; only application charts can be rendered",
			path.Join(c.dir, "Chart.yaml"), c.Name(), t)
	}
	var missing []string
	for _, dep := range c.chart.Metadata.Dependencies {
		if dep == nil {
			continue
		}
		vendored := slices.ContainsFunc(c.chart.Dependencies(), func(d *chart.Chart) bool { return d.Name() == dep.Name })
		if !vendored {
			missing = append(missing, dep.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: not vendored in %s: %s; run `helm dependency build` and commit charts/",
			path.Join(c.dir, "Chart.yaml"), path.Join(c.dir, "charts"), strings.Join(missing, ", "))
	}
	return nil
}

// sortDependencies makes the order of vendored charts that of their names:
// Helm's loader leaves it to a map.
func sortDependencies(c *chart.Chart) {
	deps := slices.Clone(c.Dependencies())
	slices.SortStableFunc(deps, func(a, b *chart.Chart) int {
		if n := strings.Compare(a.Name(), b.Name()); n != 0 {
			return n
		}
		return strings.Compare(a.Metadata.Version, b.Metadata.Version)
	})
	for _, d := range deps {
		sortDependencies(d)
	}
	c.SetDependencies(deps...)
}

// walker collects the files of a chart as Helm's directory loader does.
type walker struct {
	ctx   context.Context //nolint:containedctx // lives for one Load
	tree  fs.FS
	root  string
	rules *ignore.Rules
	seen  int
	files []*loader.BufferedFile
}

func (w *walker) readIgnore() error {
	w.rules = ignore.Empty()
	name := path.Join(w.root, ignore.HelmIgnore)
	data, err := fs.ReadFile(w.tree, name)
	if err == nil {
		if w.rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w.rules.AddDefaults()
	return nil
}

func (w *walker) walk(dir string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(w.tree, path.Join(w.root, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if w.seen++; w.seen > MaxChartFiles {
			return fmt.Errorf("%s: the chart has more than %d files", w.root, MaxChartFiles)
		}
		name := path.Join(dir, e.Name())
		// Stat follows links, which a Tree keeps inside the repository.
		info, err := fs.Stat(w.tree, path.Join(w.root, name))
		if err != nil {
			return err
		}
		if w.rules.Ignore(name, info) {
			continue
		}
		if info.IsDir() {
			err = w.walk(name)
		} else {
			err = w.add(name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var utf8BOM = []byte("\xef\xbb\xbf")

func (w *walker) add(name string, info fs.FileInfo) error {
	full := path.Join(w.root, name)
	if info.Size() > loader.MaxDecompressedFileSize {
		return fmt.Errorf("%s is larger than %d bytes, Helm's limit for a file of a chart", full, loader.MaxDecompressedFileSize)
	}
	data, err := fs.ReadFile(w.tree, full)
	if err != nil {
		return err
	}
	w.files = append(w.files, &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(data, utf8BOM)})
	return nil
}

// loadError replaces the messages of Helm that quote a file by a FileError.
func (w *walker) loadError(err error) error {
	text := err.Error()
	if at := strings.LastIndex(text, "cannot load "); at >= 0 {
		file, _, _ := strings.Cut(text[at+len("cannot load "):], ":")
		name := path.Join(w.root, subchartDir(text[:at]), file)
		data, err := fs.ReadFile(w.tree, name)
		if err != nil {
			data = nil // inside a packaged subchart
		}
		return &FileError{File: name, Data: data}
	}
	at := path.Join(w.root, subchartDir(text))
	if ext := path.Ext(at); ext != ".tgz" && ext != ".tar" {
		at = path.Join(at, "Chart.yaml")
	}
	for strings.HasPrefix(text, unpacking) {
		_, text, _ = strings.Cut(text, ": ")
	}
	return fmt.Errorf("%s: %s", at, strings.TrimPrefix(text, "validation: "))
}

// unpacking begins what Helm puts in front of an error of a dependency:
// "error unpacking subchart NAME in PARENT: ".
const unpacking = "error unpacking subchart "

// subchartDir reads the way down out of these prefixes.
func subchartDir(prefix string) string {
	dir := ""
	for part := range strings.SplitSeq(prefix, ": ") {
		if rest, ok := strings.CutPrefix(part, unpacking); ok {
			name, _, _ := strings.Cut(rest, " in ")
			dir = path.Join(dir, "charts", strings.TrimPrefix(name, "tar in "))
		}
	}
	return dir
}
