package kustomize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// MaxFiles bounds the files that one overlay may name, with all components
// and bases.
const MaxFiles = 1000

// graph is an overlay with everything that it refers to. What kustomize gets
// is not the files as they are but what was vetted, written anew: there is
// nothing that kustomize could read in another way than we did.
type graph struct {
	tree  fs.FS
	root  string
	files filesys.FileSystem
	count int
	seen  map[string]*kustomization
	order []*kustomization
	// vetted are the files that must not be written as they are.
	vetted  map[string]bool
	targets []target
	// kinds are the kinds of resources, and the definitions, that are named in
	// what was written.
	kinds map[string]bool
	// annotated says that an annotation in what was written is kustomize's own,
	// such as that of the names which an object has had.
	annotated bool
}

// kustomization is one file of the graph.
type kustomization struct {
	dir, file string
	typed     types.Kustomization
	// base says that the rendered objects are not in its reach: it, or a
	// parent, is a resource and no component.
	base bool
}

// collect reads the whole graph, refuses what must not run, and copies every
// named file. All problems are reported at once.
func collect(ctx context.Context, tree fs.FS, dir string) (*graph, error) {
	if _, err := fs.Stat(tree, path.Join(dir, reservedFile)); err == nil {
		return nil, fmt.Errorf("%s: the name is reserved; rename the file", path.Join(dir, reservedFile))
	}
	g := &graph{
		tree: tree, root: dir, files: filesys.MakeFsInMemory(),
		seen: map[string]*kustomization{}, vetted: map[string]bool{},
		// What generators make.
		kinds: map[string]bool{"ConfigMap": true, "Secret": true},
	}
	return g, g.visit(ctx, dir, false)
}

func (g *graph) visit(ctx context.Context, dir string, base bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if k := g.seen[dir]; k != nil {
		k.base = k.base || base
		return nil // kustomize itself finds circles
	}
	name, err := Find(g.tree, dir)
	if err != nil {
		return err
	}
	k := &kustomization{dir: dir, file: path.Join(dir, name), base: base}
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

// parse reads the file with kustomize's own decoder, which takes fields in any
// case, and moves deprecated fields to their successors, as kustomize does.
func (k *kustomization) parse(data []byte) error {
	if _, err := yaml.YAMLToJSON(data); err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			return fmt.Errorf("%s:%s: not valid YAML", k.file, m[1])
		}
		return fmt.Errorf("%s: not valid YAML", k.file)
	}
	if err := k.typed.Unmarshal(data); err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			field, _, _ = strings.Cut(field, "\n")
			return fmt.Errorf("%s: kustomize knows no field %s", k.file, clip(field))
		}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return fmt.Errorf("%s: not a kustomization: %s cannot be of type %s", k.file, clip(wrong.Field), wrong.Value)
		}
		return fmt.Errorf("%s: not a kustomization: a field has the wrong type", k.file)
	}
	k.typed.FixKustomization()
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
	for i, entry := range k.typed.Resources {
		note(g.resource(ctx, k, "resources", entry, true))
		k.typed.Resources[i] = local(entry)
	}
	for i, entry := range k.typed.Components {
		note(g.resource(ctx, k, "components", entry, k.base))
		k.typed.Components[i] = local(entry)
	}
	for _, named := range k.namedFiles() {
		note(g.copyFile(k, named.field, named.file))
	}
	note(g.vetPatches(k))
	for _, plugins := range []struct {
		field   string
		entries []string
	}{{"generators", k.typed.Generators}, {"transformers", k.typed.Transformers}, {"validators", k.typed.Validators}} {
		for i := range plugins.entries {
			entry, err := g.plugin(k, plugins.field, i, plugins.entries[i])
			note(err)
			plugins.entries[i] = entry
		}
	}
	for i, p := range k.typed.Patches {
		g.addTarget(k, "patches", i, p.Target)
	}
	for i, p := range k.typed.PatchesJson6902 { //nolint:staticcheck // deprecated, and in use
		g.addTarget(k, "patchesJson6902", i, p.Target)
	}
	return errors.Join(errs...)
}

// local writes a relative path so that kustomize cannot take it for the
// address of a repository.
func local(entry string) string {
	if entry = path.Clean(entry); entry == ".." || strings.HasPrefix(entry, "../") {
		return entry
	}
	return "./" + entry
}

type namedFile struct{ field, file string }

// namedFiles lists what the fields for plain files name.
func (k *kustomization) namedFiles() []namedFile {
	var files []namedFile
	add := func(field string, names ...string) {
		for _, name := range names {
			if name != "" {
				files = append(files, namedFile{field, name})
			}
		}
	}
	add("crds", k.typed.Crds...)
	add("configurations", k.typed.Configurations...)
	for _, p := range k.typed.Patches {
		add("patches", p.Path)
	}
	for _, p := range k.typed.PatchesJson6902 { //nolint:staticcheck // deprecated, and in use
		add("patchesJson6902", p.Path)
	}
	for _, p := range k.typed.PatchesStrategicMerge { //nolint:staticcheck // deprecated, and in use
		// An entry is a path or a patch.
		if !strings.ContainsAny(string(p), "\n{") {
			add("patchesStrategicMerge", string(p))
		}
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

func (g *graph) resource(ctx context.Context, k *kustomization, field, entry string, base bool) error {
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
		return g.visit(ctx, at, base)
	}
	return g.copyFile(k, field, entry)
}

func (g *graph) copyFile(k *kustomization, field, entry string) error {
	at, data, err := g.readNamed(k, field, entry)
	if err != nil || g.vetted[at] {
		return err
	}
	return g.write(at, data)
}

// readNamed reads a file that a field of k names.
func (g *graph) readNamed(k *kustomization, field, entry string) (at string, data []byte, err error) {
	if remote(entry) {
		return "", nil, k.refuseRemote(field, entry)
	}
	if at, err = k.inside(field, entry); err != nil {
		return "", nil, err
	}
	if k.dir != "." && !strings.HasPrefix(at, k.dir+"/") {
		return "", nil, fmt.Errorf("%s: %s: %s is outside of %s; kustomize reads files below the kustomization only (directories may be anywhere in the repository)",
			k.file, field, clip(entry), k.dir)
	}
	data, err = g.read(at)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%s: %s: %s: no such file", k.file, field, clip(entry))
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %s: %w", k.file, field, err)
	}
	return at, data, nil
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
	index().kindsIn(data, g.kinds)
	g.annotated = g.annotated || bytes.Contains(data, []byte(konfig.ConfigAnnoDomain))
	// Kustomize's file system keeps what it is given.
	if err := g.files.WriteFile("/"+name, bytes.Clone(data)); err != nil {
		return fmt.Errorf("%s: preparing the overlay: %w", name, err)
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
