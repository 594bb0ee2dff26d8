package kustomize

import (
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// vetPatches reports the patches that cannot be read. Kustomize would quote
// them, and does not say which it means.
func (g *graph) vetPatches(k *kustomization) error {
	var errs []error
	vet := func(field string, patches []types.Patch) {
		for i, p := range patches {
			if err := vetPatch(g.textOf(k, field, p)); err != nil {
				at := fmt.Sprintf("%s: %s[%d]", k.file, field, i)
				if p.Path != "" {
					at += ": " + clip(p.Path)
				}
				errs = append(errs, fmt.Errorf("%s: %w", at, err))
			}
		}
	}
	vet("patches", k.typed.Patches)
	vet("patchesJson6902", k.typed.PatchesJson6902) //nolint:staticcheck // deprecated, and in use
	return errors.Join(errs...)
}

// textOf is the patch, or the file that it is in: "" if that was not copied.
func (g *graph) textOf(k *kustomization, field string, p types.Patch) string {
	if p.Path == "" {
		return p.Patch
	}
	at, err := k.inside(field, p.Path)
	if err != nil {
		return ""
	}
	data, err := g.files.ReadFile("/" + at)
	if err != nil {
		return ""
	}
	return string(data)
}

func vetPatch(text string) error {
	// This is how kustomize tells JSON from YAML.
	if text != "" && text[0] == '[' {
		if !json.Valid([]byte(text)) {
			return errors.New("begins with [ and is no JSON; quote its keys and texts, or write it as YAML with a - for each operation")
		}
		return nil
	}
	if _, err := yaml.YAMLToJSON([]byte(text)); err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			return fmt.Errorf("not valid YAML in line %s of the patch", m[1])
		}
		return errors.New("not valid YAML")
	}
	return nil
}
