package kustomize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// MaxFiles bounds the files that one overlay may name, with all components
// and bases.
const MaxFiles = 1000

// graph is an overlay with everything that it refers to.
type graph struct {
	tree  fs.FS
	root  string
	files filesys.FileSystem
	count int
	seen  map[string]*kustomization
	order []*kustomization
}

// kustomization is one file of the graph.
type kustomization struct {
	dir, file string
	typed     types.Kustomization
	fields    map[string]any
	probes    []probe
}

// collect reads the whole graph, refuses what must not run, and copies every
// named file. All problems are reported at once.
func (g *graph) collect(ctx context.Context) error {
	if _, err := fs.Stat(g.tree, path.Join(g.root, reservedFile)); err == nil {
		return fmt.Errorf("%s: the name is reserved; rename the file", path.Join(g.root, reservedFile))
	}
	return g.visit(ctx, g.root)
}

func (g *graph) visit(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.seen[dir] != nil {
		return nil // kustomize itself finds circles
	}
	name, err := Find(g.tree, dir)
	if err != nil {
		return err
	}
	k := &kustomization{dir: dir, file: path.Join(dir, name)}
	g.seen[dir] = k
	g.order = append(g.order, k)
	data, err := g.read(k.file)
	if err != nil {
		return err
	}
	if err := k.parse(data); err != nil {
		return err
	}
	if err := k.refuse(); err != nil {
		return err
	}
	return g.follow(ctx, k)
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// parse reads the file twice: as kustomize does, strictly, and as it is, so
// that writing it again loses nothing.
func (k *kustomization) parse(data []byte) error {
	if err := yaml.Unmarshal(data, &k.fields); err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			return fmt.Errorf("%s:%s: not valid YAML", k.file, m[1])
		}
		return fmt.Errorf("%s: not a YAML mapping", k.file)
	}
	if k.fields == nil {
		k.fields = map[string]any{}
	}
	if err := k.typed.Unmarshal(data); err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			field, _, _ = strings.Cut(field, "\n")
			return fmt.Errorf("%s: kustomize knows no field %s", k.file, field)
		}
		return fmt.Errorf("%s: a field has the wrong type", k.file)
	}
	return nil
}

// follow copies the files that k names and visits its components and bases.
func (g *graph) follow(ctx context.Context, k *kustomization) error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for field, entries := range map[string][]string{
		"resources": k.typed.Resources, "bases": k.typed.Bases, "components": k.typed.Components,
	} {
		for _, entry := range entries {
			note(g.resource(ctx, k, field, entry))
		}
	}
	for field, entries := range k.namedFiles() {
		for _, entry := range entries {
			note(g.copyFile(k, field, entry))
		}
	}
	for _, p := range k.typed.PatchesStrategicMerge {
		// An entry is a path or a patch; kustomize tries the path first.
		if !strings.Contains(string(p), "\n") {
			if _, err := fs.Stat(g.tree, path.Join(k.dir, string(p))); err == nil {
				note(g.copyFile(k, "patchesStrategicMerge", string(p)))
			} else if remote(string(p)) {
				note(k.refuseRemote("patchesStrategicMerge", string(p)))
			}
		}
	}
	for field, entries := range map[string][]string{
		"generators": k.typed.Generators, "transformers": k.typed.Transformers, "validators": k.typed.Validators,
	} {
		for i, entry := range entries {
			note(g.plugin(k, field, i, entry))
		}
	}
	k.probePatches()
	sortErrors(errs)
	return errors.Join(errs...)
}

// namedFiles are the fields that name plain files.
func (k *kustomization) namedFiles() map[string][]string {
	files := map[string][]string{"crds": k.typed.Crds, "configurations": k.typed.Configurations}
	add := func(field string, names ...string) {
		for _, name := range names {
			if name != "" {
				files[field] = append(files[field], name)
			}
		}
	}
	for _, p := range k.typed.Patches {
		add("patches", p.Path)
	}
	for _, p := range k.typed.PatchesJson6902 {
		add("patchesJson6902", p.Path)
	}
	for _, r := range k.typed.Replacements {
		add("replacements", r.Path)
	}
	sources := func(field string, s types.KvPairSources) {
		for _, f := range s.FileSources {
			add(field, fileOfPair(f))
		}
		add(field, s.EnvSources...)
		add(field, s.EnvSource)
	}
	for _, c := range k.typed.ConfigMapGenerator {
		sources("configMapGenerator", c.KvPairSources)
	}
	for _, s := range k.typed.SecretGenerator {
		sources("secretGenerator", s.KvPairSources)
	}
	return files
}

// fileOfPair is the file of an entry of files: "name" or "key=name".
func fileOfPair(entry string) string {
	if _, file, ok := strings.Cut(entry, "="); ok {
		return file
	}
	return entry
}

func (g *graph) resource(ctx context.Context, k *kustomization, field, entry string) error {
	if remote(entry) {
		return k.refuseRemote(field, entry)
	}
	at, err := k.inside(field, entry)
	if err != nil {
		return err
	}
	info, err := fs.Stat(g.tree, at)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %s: %s: no such file or directory", k.file, field, clip(entry))
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", k.file, field, err)
	}
	if info.IsDir() {
		return g.visit(ctx, at)
	}
	return g.copyFile(k, field, entry)
}

func (g *graph) copyFile(k *kustomization, field, entry string) error {
	if remote(entry) {
		return k.refuseRemote(field, entry)
	}
	at, err := k.inside(field, entry)
	if err != nil {
		return err
	}
	if k.dir != "." && !strings.HasPrefix(at, k.dir+"/") {
		return fmt.Errorf("%s: %s: %s is outside of %s; kustomize reads files below the kustomization only (directories may be anywhere in the repository)",
			k.file, field, clip(entry), k.dir)
	}
	data, err := g.read(at)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %s: %s: no such file", k.file, field, clip(entry))
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", k.file, field, err)
	}
	return g.write(at, data)
}

// inside makes a path of the tree out of one relative to the kustomization.
func (k *kustomization) inside(field, entry string) (string, error) {
	if path.IsAbs(entry) || strings.ContainsAny(entry, "\x00\\") {
		return "", fmt.Errorf("%s: %s: %s: paths are relative to the kustomization", k.file, field, clip(entry))
	}
	at := path.Join(k.dir, entry)
	if at == ".." || strings.HasPrefix(at, "../") {
		return "", fmt.Errorf("%s: %s: %s leaves the repository", k.file, field, clip(entry))
	}
	return at, nil
}

func (g *graph) read(name string) ([]byte, error) {
	if g.count++; g.count > MaxFiles {
		return nil, fmt.Errorf("%s: the overlay names more than %d files", g.root, MaxFiles)
	}
	return fs.ReadFile(g.tree, name)
}

func (g *graph) write(name string, data []byte) error {
	// Kustomize's file system keeps what it is given.
	if err := g.files.WriteFile("/"+name, bytes.Clone(data)); err != nil {
		return fmt.Errorf("%s: preparing the overlay: %w", name, err)
	}
	return nil
}

// writeAll writes every kustomization with its probes, and with its patches
// if they are wanted.
func (g *graph) writeAll(patches bool) error {
	for _, k := range g.order {
		data, err := yaml.Marshal(k.withProbes(patches, k.dir == g.root))
		if err != nil {
			return fmt.Errorf("%s: preparing the overlay: %w", k.file, err)
		}
		if err := g.write(k.file, data); err != nil {
			return err
		}
	}
	return nil
}

// clip shortens what a file brought, for an error.
func clip(s string) string {
	const most = 80
	s, _, _ = strings.Cut(s, "\n")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
