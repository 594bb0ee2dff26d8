package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"

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
	for field, why := range map[string]string{
		"helmCharts":                  "the overlay patches a chart that is already rendered; vendor other charts as its dependencies",
		"helmChartInflationGenerator": "the overlay patches a chart that is already rendered; vendor other charts as its dependencies",
		"helmGlobals":                 "the overlay patches a chart that is already rendered; remove it",
		"openapi":                     "it would change how every later overlay is merged; use JSON 6902 patches for custom resources",
	} {
		if _, ok := k.fields[field]; ok {
			errs = append(errs, fmt.Errorf("%s: %s is not supported: %s", k.file, field, why))
		}
	}
	sortErrors(errs)
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
// the configuration itself.
func (g *graph) plugin(k *kustomization, field string, i int, entry string) error {
	configs, err := manifest.Split(k.file, entry)
	inline := err == nil && len(configs) > 0
	if !inline {
		if remote(entry) {
			return k.refuseRemote(field, entry)
		}
		at, err := k.inside(field, entry)
		if err != nil {
			return err
		}
		if info, err := fs.Stat(g.tree, at); err == nil && info.IsDir() {
			return fmt.Errorf("%s: %s: %s is a directory; name the files in it", k.file, field, clip(entry))
		}
		if err := g.copyFile(k, field, entry); err != nil {
			return err
		}
		data, err := fs.ReadFile(g.tree, at)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", k.file, field, err)
		}
		if configs, err = manifest.Split(at, string(data)); err != nil {
			return err
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
		k.probeTransformer(field, i, config)
	}
	return errors.Join(errs...)
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

// filesOfConfig collects the fields of a built-in plugin that name files.
func filesOfConfig(fields map[string]any) []string {
	var files []string
	add := func(v any) {
		switch v := v.(type) {
		case string:
			files = append(files, v)
		case []any:
			for _, item := range v {
				if s, ok := item.(string); ok {
					files = append(files, s)
				}
			}
		}
	}
	for _, key := range []string{"path", "paths", "env", "envs"} {
		add(fields[key])
	}
	paired, _ := fields["files"].([]any)
	for _, f := range paired {
		if s, ok := f.(string); ok {
			files = append(files, fileOfPair(s))
		}
	}
	replacements, _ := fields["replacements"].([]any)
	for _, r := range replacements {
		if r, ok := r.(map[string]any); ok {
			add(r["path"])
		}
	}
	return files
}
