package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// separator is the one of Helm's releaseutil.SplitManifests, so that a
// template is cut in the same places.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

// Split cuts text into documents and decodes them. Documents that are empty or
// hold only comments are dropped; the items of a core/v1 List take its place,
// as they do in Argo CD. source names text in errors and in the objects.
//
// Every undecodable document is reported, by its number in the file.
func Split(source, text string) (List, error) {
	var list List
	var errs []error
	number := 0
	for _, doc := range separator.Split(strings.TrimSpace(text), -1) {
		if doc = strings.TrimSpace(doc); doc == "" {
			continue
		}
		number++
		// `helm template` ends every document with one newline, which a block
		// scalar at the end keeps.
		fields, err := decode([]byte(doc + "\n"))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: document %d: %w", source, number, err))
		case len(fields) > 0:
			list = append(list, expand(Object{Fields: fields, Source: source})...)
		}
	}
	return list, errors.Join(errs...)
}

// yamlLine matches the only part of a YAML parser's message that is safe to
// show: the rest may quote the document.
var yamlLine = regexp.MustCompile(`line (\d+): ([a-z][a-z ,'"\[\]{}:?-]*)$`)

func decode(doc []byte) (map[string]any, error) {
	data, err := yaml.YAMLToJSON(doc)
	if err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil && !strings.Contains(m[2], "anchor") {
			return nil, fmt.Errorf("not valid YAML in line %s of the document: %s", m[1], m[2])
		}
		return nil, errors.New("not valid YAML")
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, errors.New("is not a Kubernetes object: expected a mapping with apiVersion and kind")
	}
	return fields, nil
}

func expand(o Object) List {
	items, ok := o.Fields["items"].([]any)
	if o.APIVersion() != "v1" || o.Kind() != "List" || !ok {
		return List{o}
	}
	var list List
	for _, item := range items {
		fields, _ := item.(map[string]any)
		if fields == nil {
			fields = map[string]any{} // Check reports it
		}
		list = append(list, expand(Object{Fields: fields, Source: o.Source})...)
	}
	return list
}
