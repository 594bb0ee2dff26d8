package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// user is what git takes for the user in user@host:path.
var user = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@`)

// remote reports whether kustomize could take entry for something to fetch:
// IsRemoteFile in api/internal/loader and NewRepoSpecFromURL in
// api/internal/git. What looks like a URL at all counts.
func remote(entry string) bool {
	lower := strings.ToLower(strings.TrimSpace(entry))
	if u, err := url.Parse(lower); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return true
	}
	return strings.Contains(lower, "://") || strings.HasPrefix(lower, "git::") || user.MatchString(lower) || strings.HasPrefix(lower, "http:") ||
		strings.HasPrefix(lower, "https:") || strings.HasPrefix(lower, "github.com/") || strings.HasPrefix(lower, "github.com:")
}

func (k *kustomization) refuseRemote(field, entry string) error {
	return fmt.Errorf("%s: %s: %s is remote; copy it into the repository", k.file, field, withoutUser(clip(entry)))
}

// withoutUser drops what may be a password in a URL.
func withoutUser(entry string) string {
	if scheme, rest, ok := strings.Cut(entry, "://"); ok {
		if _, host, ok := strings.Cut(rest, "@"); ok {
			return scheme + "://" + host
		}
	}
	return entry
}

// refuse reports the fields that would run a program or change the process.
func (k *kustomization) refuse() error {
	var errs []error
	for _, unwanted := range []struct {
		set        bool
		field, why string
	}{
		{len(k.typed.HelmCharts) > 0, "helmCharts", "the overlay patches a chart that is already rendered; vendor other charts as its dependencies"},
		{k.typed.HelmGlobals != nil, "helmGlobals", "the overlay patches a chart that is already rendered; remove it"},
		{len(k.typed.OpenAPI) > 0, "openapi", "it would change how every later overlay is merged; use JSON 6902 patches for custom resources"},
		{slices.Contains(k.typed.BuildMetadata, types.ManagedByLabelOption), "buildMetadata: managedByLabel", "it names the version of a kustomize program, and none runs; use labels"},
	} {
		if unwanted.set {
			errs = append(errs, fmt.Errorf("%s: %s is not supported: %s", k.file, unwanted.field, unwanted.why))
		}
	}
	return errors.Join(errs...)
}

var builtin = func() map[string]bool {
	names := map[string]bool{}
	for _, name := range krusty.GetBuiltinPluginNames() {
		names[name] = name != "HelmChartInflationGenerator"
	}
	return names
}()

// plugin vets an entry of generators, transformers or validators: a file, or
// the configuration itself. It returns the entry that kustomize is to get.
func (g *graph) plugin(k *kustomization, field string, i int, entry string) (string, error) {
	configs, err := manifest.Split(k.file, entry)
	inline := err == nil && len(configs) > 0
	at := ""
	if !inline {
		if info, err := fs.Stat(g.tree, path.Join(k.dir, entry)); err == nil && info.IsDir() {
			return "", fmt.Errorf("%s: %s: %s is a directory; name the files in it", k.file, field, clip(entry))
		}
		var data []byte
		if at, data, err = g.readNamed(k, field, entry); err != nil {
			return "", err
		}
		if configs, err = manifest.Split(at, string(data)); err != nil {
			return "", err
		}
	}
	var errs []error
	for _, config := range configs {
		if err := vetConfig(config); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", k.file, field, err))
			continue
		}
		for _, file := range filesOfConfig(config.Fields) {
			errs = append(errs, g.copyFile(k, field, file))
		}
		g.addTransformerTarget(k, field, i, config)
	}
	if err := errors.Join(errs...); err != nil || inline {
		return string(encode(configs)), err
	}
	g.vetted[at] = true
	return local(entry), g.write(at, encode(configs))
}

func vetConfig(config manifest.Object) error {
	for _, key := range []string{"config.kubernetes.io/function", "config.k8s.io/function"} {
		if config.Annotation(key) != "" {
			return fmt.Errorf("%s is a function that would be executed; use a transformer that is built into kustomize", clip(config.Kind()))
		}
	}
	if config.APIVersion() != "builtin" || !builtin[config.Kind()] {
		return fmt.Errorf("%s of %s is not built into kustomize; plugins are not executed", clip(config.Kind()), clip(config.APIVersion()))
	}
	return nil
}

// filesOfConfig collects what the fields of a built-in plugin name as files.
// Kustomize takes the names of fields in any case.
func filesOfConfig(fields map[string]any) []string {
	var files []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch strings.ToLower(key) {
		case "path", "paths", "env", "envs", "targetfilepath":
			files = append(files, stringsOf(fields[key])...)
		case "files":
			for _, pair := range stringsOf(fields[key]) {
				files = append(files, fileOfPair(pair))
			}
		case "replacements":
			list, _ := fields[key].([]any)
			for _, item := range list {
				if nested, ok := item.(map[string]any); ok {
					files = append(files, filesOfConfig(nested)...)
				}
			}
		}
	}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" || strings.ContainsAny(f, "\n{") })
}

// stringsOf is a string, or the strings of a list.
func stringsOf(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	list, _ := v.([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
