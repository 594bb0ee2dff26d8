package kustomize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// reservedFile is the name of the rendered objects in the overlay's directory
// of the file system in memory.
const reservedFile = ".core-pipeline-rendered.yaml"

// running serialises builds: kyaml keeps the OpenAPI schema in variables of
// the package that are read without a lock (kubernetes-sigs/kustomize#3659).
var running sync.Mutex

// Find returns the name of the kustomization file in dir. It wraps
// fs.ErrNotExist if there is none; more than one is an error.
func Find(tree fs.FS, dir string) (string, error) {
	var found []string
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		info, err := fs.Stat(tree, path.Join(dir, name))
		switch {
		case err == nil && !info.IsDir():
			found = append(found, name)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("%s: no kustomization.yaml: %w", dir, fs.ErrNotExist)
	}
	return "", fmt.Errorf("%s: keep one of %s", dir, strings.Join(found, ", "))
}

// Build applies the kustomization in directory dir of tree to list. The
// objects of list keep their Source; objects that the overlay adds get dir.
//
// Objects come in the order of list, then those of the overlay, unless the
// kustomization has sortOptions. As with the kustomize program, objects with
// the annotation config.kubernetes.io/local-config: "true" are dropped.
//
// What no part of the overlay can touch is shared with list.
//
// A patch whose target matches nothing is an error that names what is nearest.
// ctx is checked between steps.
func Build(ctx context.Context, tree fs.FS, dir string, list manifest.List) (manifest.List, error) {
	if err := manifest.Check(list, manifest.CheckOptions{AllowEmpty: true}); err != nil {
		return nil, err
	}
	g, err := collect(ctx, tree, dir)
	if err != nil {
		return nil, err
	}
	missing := g.notRendered(list)
	if len(missing) == 0 {
		if out, ok := g.buildDirect(ctx, list); ok {
			return out, nil
		}
		if out, ok := g.buildSparse(ctx, list); ok {
			return out, nil
		}
	}
	if err := g.write(path.Join(dir, reservedFile), encode(list)); err != nil {
		return nil, err
	}
	built, err := g.run(ctx, asWritten)
	if err != nil {
		return nil, g.explain(ctx, err, list)
	}
	if err := g.checkTargets(ctx, missing, list); err != nil {
		return nil, err
	}
	return decode(built, dir, list)
}

// run builds the graph as form changes it. A panic of kustomize is an error.
func (g *graph) run(ctx context.Context, form func(*kustomization) types.Kustomization) (m resmap.ResMap, err error) {
	for _, k := range g.order {
		file := form(k)
		if k.dir == g.root {
			file.Resources = append([]string{reservedFile}, file.Resources...)
		}
		// Compact JSON is YAML, and no scalar can be misread in it.
		data, err := json.Marshal(file)
		if err != nil {
			return nil, fmt.Errorf("%s: preparing the overlay: %w", k.file, err)
		}
		if err := g.write(k.file, data); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	running.Lock()
	defer running.Unlock()
	if err := index().load(g.kinds); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			m, err = nil, errors.New("kustomize stopped unexpectedly")
		}
	}()
	return krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(g.files, "/"+g.root)
}

func asWritten(k *kustomization) types.Kustomization { return k.typed }

// encode writes list as kustomize reads it. Kustomize wants names: an object
// with generateName gets one for the build.
func encode(list manifest.List) []byte {
	var out bytes.Buffer
	for i, o := range list {
		fields := o.Fields
		if prefix, ok := generated(o); ok {
			fields = maps.Clone(fields)
			meta := maps.Clone(fields["metadata"].(map[string]any)) //nolint:forcetypeassert // generated has looked
			meta["name"] = prefix + placeholder(i)
			fields["metadata"] = meta
		}
		data, err := json.Marshal(fields)
		if err != nil {
			continue // the fields came out of a decoder
		}
		out.WriteString("---\n")
		out.Write(data)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func placeholder(i int) string { return "core-pipeline-generated-" + strconv.Itoa(i) }

// generated returns the generateName of an object that has no name.
func generated(o manifest.Object) (prefix string, ok bool) {
	meta, _ := o.Fields["metadata"].(map[string]any)
	if name, _ := meta["name"].(string); name != "" {
		return "", false
	}
	prefix, ok = meta["generateName"].(string)
	return prefix, ok
}

// restoreGenerateName takes the name for the build off again; what a prefix of
// the overlay added to it goes to generateName.
func restoreGenerateName(o manifest.Object, from int) {
	meta, _ := o.Fields["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if prefix, _, ok := strings.Cut(name, placeholder(from)); ok {
		meta["generateName"] = prefix
		delete(meta, "name")
	}
}

// origins returns, for each object of a build, the index in list of the one it
// was made from, -1 for none: the one of the same identity, else the one of
// the same kind whose name an overlay's prefix or suffix surrounds.
func origins(built, list manifest.List) []int {
	type kindName struct{ group, kind, name string }
	byName := make(map[kindName]int, len(list))
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = o.Name()
		if prefix, ok := generated(o); ok {
			names[i] = prefix + placeholder(i)
		}
		byName[kindName{o.ID().Group, o.Kind(), names[i]}] = i
	}
	out := make([]int, len(built))
	taken := make([]bool, len(list))
	for i, o := range built {
		from, ok := byName[kindName{o.ID().Group, o.Kind(), o.Name()}]
		if !ok {
			out[i] = -1
			continue
		}
		out[i], taken[from] = from, true
	}
	for i, o := range built {
		for from, before := range list {
			if out[i] < 0 && !taken[from] && before.Kind() == o.Kind() && strings.Contains(o.Name(), names[from]) {
				out[i], taken[from] = from, true
			}
		}
	}
	return out
}
