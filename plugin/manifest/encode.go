package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// WriteYAML writes list as a stream of YAML documents, keys sorted.
func WriteYAML(w io.Writer, list List) error {
	for _, o := range list {
		data, err := yaml.Marshal(o.Fields)
		if err != nil {
			return fmt.Errorf("%s: encoding %s: %w", o.Source, o.ID(), err)
		}
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// JSON returns one compact JSON document for each object, keys sorted: the
// form that repo-server decodes fastest.
func JSON(list List) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, o := range list {
		// json.Marshal would write < and > as escapes; they are content here.
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(o.Fields); err != nil {
			return nil, fmt.Errorf("%s: encoding %s: %w", o.Source, o.ID(), err)
		}
		out = append(out, string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
	}
	return out, nil
}
