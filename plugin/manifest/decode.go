package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// yamlLine matches the only part of a YAML parser's message that is safe to
// show: the rest may quote the document.
var yamlLine = regexp.MustCompile(`line (\d+): ([a-z][a-z ,'"\[\]{}:?-]*)$`)

// decodeDocument reads a document as sigs.k8s.io/yaml does, whose parser it uses, but
// without writing what it has read as JSON and reading that. The parser is that
// of YAML 1.1.
func decodeDocument(doc []byte) (map[string]any, error) {
	var parsed any
	err := yaml.Unmarshal(doc, &parsed)
	if err == nil {
		parsed, err = jsonValue(parsed)
	}
	if err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil && !strings.Contains(m[2], "anchor") {
			return nil, fmt.Errorf("not valid YAML in line %s of the document: %s", m[1], m[2])
		}
		return nil, errors.New("not valid YAML")
	}
	fields, isObject := parsed.(map[string]any)
	if !isObject && parsed != nil {
		return nil, errors.New("is not a Kubernetes object: expected a mapping with apiVersion and kind")
	}
	return fields, nil
}

// jsonValue returns what parsed is after it went through JSON.
func jsonValue(parsed any) (any, error) {
	switch v := parsed.(type) {
	case nil, bool:
		return v, nil
	case string:
		return validText(v), nil
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case map[any]any:
		return jsonObject(v)
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			var err error
			if items[i], err = jsonValue(item); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
	return throughJSON(parsed)
}

func jsonObject(parsed map[any]any) (map[string]any, error) {
	fields := make(map[string]any, len(parsed))
	for k, item := range parsed {
		key, err := jsonKey(k)
		if err != nil {
			return nil, err
		}
		if fields[key], err = jsonValue(item); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

func jsonKey(parsed any) (string, error) {
	switch k := parsed.(type) {
	case string:
		return validText(k), nil
	case int:
		return strconv.Itoa(k), nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case bool:
		return strconv.FormatBool(k), nil
	case float64:
		switch key := strconv.FormatFloat(k, 'g', -1, 32); key {
		case "+Inf":
			return ".inf", nil
		case "-Inf":
			return "-.inf", nil
		case "NaN":
			return ".nan", nil
		default:
			return key, nil
		}
	}
	return "", errors.New("a key is not a scalar")
}

// validText replaces every byte that is not UTF-8, as JSON does: !!binary can
// bring any.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// throughJSON is for the numbers that JSON may write in another way, or not at
// all, and for what else a tag can make.
func throughJSON(parsed any) (any, error) {
	data, err := json.Marshal(parsed)
	if err != nil {
		return nil, err
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
