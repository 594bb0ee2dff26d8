package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"
)

// functions are those of Helm's engine. include and tpl are of each run: bind.
// The functions that encode or decode return no error: what fails is "", or an
// entry that says so.
var functions = sync.OnceValue(func() template.FuncMap {
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	withPatterns(all)
	maps.Copy(all, template.FuncMap{
		"include":       func(string, any) string { return "" },
		"tpl":           func(string, any) any { return "" },
		"required":      required,
		"fail":          func(text string) (string, error) { return "", failed(text) },
		"lookup":        func(_, _, _, _ string) (map[string]any, error) { return map[string]any{}, nil },
		"getHostByName": func(string) string { return "" },
		"toToml":        toTOML,
		"fromToml":      fromTOML,
		"toYaml":        toYAML,
		"toYamlPretty":  toYAMLPretty,
		"fromYaml":      fromYAML,
		"fromYamlArray": fromYAMLArray,
		"toJson":        toJSON,
		"fromJson":      fromJSON,
		"fromJsonArray": fromJSONArray,
	})
	return all
})

func failed(text string) error { return errors.New(messageStart + text + messageEnd) }

func required(text string, value any) (any, error) {
	if value == nil || value == "" {
		return value, failed(text)
	}
	return value, nil
}

func toYAMLPretty(value any) string {
	const indent = 2
	var out bytes.Buffer
	encoder := goyaml.NewEncoder(&out)
	encoder.SetIndent(indent)
	if encoder.Encode(value) != nil {
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func fromYAML(text string) map[string]any {
	if known, ok := decoded.get(text).(map[string]any); ok {
		return known
	}
	value := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
		return value
	}
	decoded.put(text, value)
	return value
}

func fromYAMLArray(text string) []any {
	if known, ok := decoded.get(text).([]any); ok {
		return known
	}
	value := []any{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return []any{err.Error()}
	}
	decoded.put(text, value)
	return value
}

func toTOML(value any) string {
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(value); err != nil {
		return err.Error()
	}
	return out.String()
}

func fromTOML(text string) map[string]any {
	value := map[string]any{}
	if err := toml.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
	}
	return value
}

func toJSON(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(data)
}

func fromJSON(text string) map[string]any {
	value := map[string]any{}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
	}
	return value
}

func fromJSONArray(text string) []any {
	value := []any{}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		value = []any{err.Error()}
	}
	return value
}
