package kustomize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// reservedFile is the name of the rendered objects in the overlay's directory
// of the file system in memory.
const reservedFile = ".core-pipeline-rendered.yaml"

// The annotations that follow an object through a build. Kustomize keeps
// annotations of this prefix even when a patch replaces all of them.
const (
	internalPrefix  = "internal.config.kubernetes.io/core-pipeline-"
	indexAnnotation = internalPrefix + "index"
	probeAnnotation = internalPrefix + "patch-"
)

// running serialises builds: kyaml keeps the OpenAPI schema in variables of
// the package that are read without a lock (kubernetes-sigs/kustomize#3659).
var running sync.Mutex

var warm = sync.OnceFunc(func() {
	running.Lock()
	defer running.Unlock()
	openapi.Schema()
})

// Warm parses the OpenAPI schema that the first build of a process needs,
// which takes about as long as ten builds. Build does it if nobody has.
func Warm() { warm() }

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
// A patch whose target matches nothing is an error that names what is nearest.
// ctx is checked between steps.
func Build(ctx context.Context, tree fs.FS, dir string, list manifest.List) (manifest.List, error) {
	if err := manifest.Check(list, manifest.CheckOptions{AllowEmpty: true}); err != nil {
		return nil, err
	}
	g := &graph{tree: tree, root: dir, files: filesys.MakeFsInMemory(), seen: map[string]*kustomization{}}
	if err := g.collect(ctx); err != nil {
		return nil, err
	}
	if err := g.files.WriteFile("/"+path.Join(dir, reservedFile), encode(list)); err != nil {
		return nil, fmt.Errorf("%s: preparing the overlay: %w", dir, err)
	}
	if err := g.writeAll(true); err != nil {
		return nil, err
	}
	built, err := g.run(ctx)
	if err != nil {
		return nil, g.explain(ctx, err, list)
	}
	out, probes, err := decode(built, dir, list)
	if err != nil {
		return nil, err
	}
	return out, g.checkPatches(ctx, probes, list)
}

// run builds what is in the file system. A panic of kustomize is an error.
func (g *graph) run(ctx context.Context) (m resmap.ResMap, err error) {
	warm()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	running.Lock()
	defer running.Unlock()
	defer func() {
		if recover() != nil {
			m, err = nil, errors.New("kustomize stopped unexpectedly")
		}
	}()
	return krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(g.files, "/"+g.root)
}

// encode writes list with an annotation that tells which object is which.
// Kustomize wants names: an object with generateName gets one for the build.
func encode(list manifest.List) []byte {
	var out bytes.Buffer
	for i, o := range list {
		fields := withMetadata(o.Fields, func(meta map[string]any) {
			annotations, _ := meta["annotations"].(map[string]any)
			marked := make(map[string]any, len(annotations)+1)
			for k, v := range annotations {
				marked[k] = v
			}
			marked[indexAnnotation] = strconv.Itoa(i)
			meta["annotations"] = marked
			if name, _ := meta["name"].(string); name == "" {
				prefix, _ := meta["generateName"].(string)
				meta["name"] = prefix + placeholder(i)
			}
		})
		// Compact JSON is YAML, and no scalar can be misread in it.
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

// withMetadata returns a copy of fields whose metadata edit may change.
func withMetadata(fields map[string]any, edit func(meta map[string]any)) map[string]any {
	out := make(map[string]any, len(fields))
	for k, v := range fields {
		out[k] = v
	}
	old, _ := fields["metadata"].(map[string]any)
	meta := make(map[string]any, len(old)+1)
	for k, v := range old {
		meta[k] = v
	}
	edit(meta)
	out["metadata"] = meta
	return out
}

// decode reads the result and takes the annotations of encode and of the
// probes off again. It also returns the probes that were found.
func decode(built resmap.ResMap, dir string, list manifest.List) (manifest.List, map[string]bool, error) {
	out := make(manifest.List, 0, built.Size())
	probes := map[string]bool{}
	for _, r := range built.Resources() {
		data, err := r.MarshalJSON()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: encoding a patched object: %w", dir, err)
		}
		o := manifest.Object{Source: dir}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(&o.Fields); err != nil {
			return nil, nil, fmt.Errorf("%s: reading a patched object: %w", dir, err)
		}
		i := unmark(o, probes)
		if i < 0 || i >= len(list) {
			// A patch may have replaced the annotations.
			i = indexOf(list, o.ID())
		}
		if i >= 0 {
			o.Source = list[i].Source
			restoreGenerateName(o, list[i], i)
		}
		out = append(out, o)
	}
	return out, probes, nil
}

// unmark removes our annotations and returns the index, -1 if it is gone.
func unmark(o manifest.Object, probes map[string]bool) int {
	meta, _ := o.Fields["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	i := -1
	for key, value := range annotations {
		if key == indexAnnotation {
			text, _ := value.(string)
			if n, err := strconv.Atoi(text); err == nil {
				i = n
			}
		}
		if probe, ok := strings.CutPrefix(key, probeAnnotation); ok {
			probes[probe] = true
		}
		if strings.HasPrefix(key, internalPrefix) {
			delete(annotations, key)
		}
	}
	if annotations != nil && len(annotations) == 0 {
		delete(meta, "annotations")
	}
	return i
}

func indexOf(list manifest.List, id manifest.ID) int {
	for i, o := range list {
		if o.ID() == id {
			return i
		}
	}
	return -1
}

// restoreGenerateName takes the name for the build off again; what a prefix
// of the overlay added to it goes to generateName.
func restoreGenerateName(o, before manifest.Object, i int) {
	old, _ := before.Fields["metadata"].(map[string]any)
	if name, _ := old["name"].(string); name != "" {
		return
	}
	meta, _ := o.Fields["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if prefix, _, ok := strings.Cut(name, placeholder(i)); ok {
		meta["generateName"] = prefix
		delete(meta, "name")
	}
}
