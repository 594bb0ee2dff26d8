package kustomize

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// definitions is kyaml's own OpenAPI schema of Kubernetes without the texts for
// people, one definition on each line. TestDefinitions holds it equal.
//
// kyaml reads its schema as a whole at the first merge of a process, which
// takes longer than everything else that a render does. Here a build adds the
// definitions of the kinds that are named in its input.
//
//go:embed definitions.json
var definitions string

// schemaIndex finds definitions in the text.
type schemaIndex struct {
	lines  map[string]string   // by the name of the definition
	kinds  map[string][]string // the names, by the kind of resource
	loaded map[string]bool     // what kyaml has been given
}

var (
	reference = regexp.MustCompile(`"#/definitions/([^"]+)"`)
	// named is a reference in any text, such as a comment of a patch.
	named     = regexp.MustCompile(`#/definitions/([A-Za-z0-9_.-]+)`)
	gvk       = regexp.MustCompile(`"x-kubernetes-group-version-kind":(\[[^\]]*\])`)
	kindOfGVK = regexp.MustCompile(`"kind":"([^"]+)"`)
)

var index = sync.OnceValue(func() *schemaIndex {
	x := &schemaIndex{lines: map[string]string{}, kinds: map[string][]string{}, loaded: map[string]bool{}}
	for line := range strings.Lines(definitions) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, `"`), `":{`)
		if !ok || strings.HasPrefix(line, "{") {
			continue // the first or the last line
		}
		x.lines[name] = strings.TrimRight(line, ",\n")
		if at := strings.LastIndex(line, `"x-kubernetes-group-version-kind"`); at >= 0 {
			for _, kind := range kindOfGVK.FindAllStringSubmatch(gvk.FindString(line[at:]), -1) {
				x.kinds[kind[1]] = append(x.kinds[kind[1]], name)
			}
		}
	}
	openapi.SuppressBuiltInSchemaUse()
	return x
})

// kindsIn adds to found every kind of resource that text has as a word, and
// every definition that it refers to.
func (x *schemaIndex) kindsIn(text []byte, found map[string]bool) {
	if bytes.Contains(text, []byte("#/definitions/")) {
		for _, m := range named.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
	}
	for i := 0; i < len(text); {
		if !isLetter(text[i]) {
			i++
			continue
		}
		start := i
		for i < len(text) && isLetter(text[i]) {
			i++
		}
		if word := text[start:i]; x.kinds[string(word)] != nil {
			found[string(word)] = true
		}
	}
}

// load gives kyaml the definitions of kinds, and those of that name, with what
// they refer to. The caller holds running.
func (x *schemaIndex) load(kinds map[string]bool) error {
	var wanted, lines []string
	for kind := range kinds {
		wanted = append(append(wanted, kind), x.kinds[kind]...)
	}
	for len(wanted) > 0 {
		name := wanted[len(wanted)-1]
		wanted = wanted[:len(wanted)-1]
		line, ok := x.lines[name]
		if !ok || x.loaded[name] {
			continue
		}
		x.loaded[name] = true
		lines = append(lines, line)
		for _, m := range reference.FindAllStringSubmatch(line, -1) {
			wanted = append(wanted, m[1])
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if err := openapi.AddSchema([]byte(`{"definitions":{` + strings.Join(lines, ",") + "}}")); err != nil {
		return fmt.Errorf("reading the schema of Kubernetes: %w", err)
	}
	return nil
}
