package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// Split cuts text into documents and decodes them. Documents that are empty or
// hold only comments are dropped; the items of a core/v1 List take its place,
// as they do in Argo CD. source names text in errors and in the objects.
//
// Every undecodable document is reported, by its number in the file.
func Split(source, text string) (List, error) {
	var list List
	var errs []error
	number := 0
	for _, doc := range documents(strings.TrimSpace(text)) {
		if doc = strings.TrimSpace(doc); doc == "" {
			continue
		}
		number++
		// `helm template` ends every document with one newline, which a block
		// scalar at the end keeps.
		fields, err := known.decode([]byte(doc + "\n"))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: document %d: %w", source, number, err))
		case len(fields) > 0:
			list = append(list, expand(Object{Fields: fields, Source: source})...)
		}
	}
	return list, errors.Join(errs...)
}

// documents cuts text, which does not start with white space, in the places of
// Helm's releaseutil.SplitManifests: at matches of `(?:^|\s*\n)---\s*`. White
// space at the ends of a document is left to the caller.
func documents(text string) []string {
	const separator, space = "---", "\t\n\f\r "
	// What follows a separator was taken with its newlines: a separator that
	// follows at once is content.
	var docs []string
	if rest, ok := strings.CutPrefix(text, separator); ok {
		text = strings.TrimLeft(rest, space)
	}
	for {
		doc, rest, found := strings.Cut(text, "\n"+separator)
		docs = append(docs, doc)
		if !found {
			return docs
		}
		text = strings.TrimLeft(rest, space)
	}
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
