package main

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// valuesLike matches names that somebody meant as the values of an
// environment.
var valuesLike = regexp.MustCompile(`(?i)^(values[-_.][a-z0-9._-]+|[a-z0-9._-]+[-_.]values)\.ya?ml$`)

// files reports values files and overlays that belong to no environment.
func (l *linter) files() error {
	entries, err := fs.ReadDir(l.Tree, l.Dir)
	if err != nil {
		return err
	}
	used := l.used()
	for _, e := range entries {
		at := path.Join(l.Dir, e.Name())
		if !e.IsDir() && valuesLike.MatchString(e.Name()) && !used[at] {
			l.find("%s: nothing reads this file; the values of an environment are in values-<environment>.yaml", at)
		}
	}
	for _, p := range slices.Concat(l.request.ValueFiles, l.request.OptionalValueFiles) {
		if err := l.strays(l.inTree(p), used); err != nil {
			return err
		}
	}
	return l.overlays()
}

// used are the values files that the environments read.
func (l *linter) used() map[string]bool {
	used := map[string]bool{}
	for _, e := range l.environments {
		used[path.Join(l.Dir, "values-"+e+".yaml")] = true
		req := l.requestFor(e)
		for _, p := range slices.Concat(req.ValueFiles, req.OptionalValueFiles) {
			used[l.inTree(p)] = true
		}
	}
	return used
}

// strays reports values files that a parameter with the placeholder would name
// for environments that do not exist.
func (l *linter) strays(parameter string, used map[string]bool) error {
	before, after, ok := strings.Cut(parameter, placeholder)
	if !ok {
		return nil
	}
	dir, start := path.Split(before)
	entries, err := fs.ReadDir(l.Tree, path.Clean("./"+dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	end, _, _ := strings.Cut(after, "/")
	for _, e := range entries {
		name, hasStart := strings.CutPrefix(e.Name(), start)
		name, hasEnd := strings.CutSuffix(name, end)
		at := strings.ReplaceAll(parameter, placeholder, name)
		if !hasStart || !hasEnd || used[at] || name == "" {
			continue
		}
		if info, err := fs.Stat(l.Tree, at); err == nil && !info.IsDir() {
			l.find("%s: nothing reads this file: there is no values-%s.yaml", at, name)
		}
	}
	return nil
}

// overlays reports those beside the chart that belong to no environment and
// that no other one builds upon.
func (l *linter) overlays() error {
	all := path.Join(l.Dir, "overlays")
	entries, err := fs.ReadDir(l.Tree, all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var texts strings.Builder
	for _, e := range entries {
		for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
			// An overlay that cannot be read is for the render to report.
			data, _ := fs.ReadFile(l.Tree, path.Join(all, e.Name(), name))
			texts.Write(data)
		}
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(l.environments, e.Name()) && !strings.Contains(texts.String(), "../"+e.Name()) {
			l.find("%s: nothing uses this overlay: there is no values-%s.yaml", path.Join(all, e.Name()), e.Name())
		}
	}
	return nil
}

// inTree is a path of a parameter as the tree has it.
func (l *linter) inTree(p string) string {
	if strings.HasPrefix(p, "/") {
		return strings.TrimPrefix(path.Clean(p), "/")
	}
	return path.Join(l.Dir, p)
}
