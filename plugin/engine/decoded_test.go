package engine

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestFromYAMLIsRemembered: the second time as the first, and whatever a
// template did to the first.
func TestFromYAMLIsRemembered(t *testing.T) {
	for _, text := range append(strings.Split("a: 1|a: {b: [1, {c: 1.5}], d: ~}|[1, {a: [b]}]|~||a|null|{}|[]|a: b: c|[1|{1: a, true: b}|a: &x {b: c}\nd: *x|a: {}\nb: []|- a|a: 12345678901234567890", "|"), "a: "+strings.Repeat("x", longestDecoded), "--- {}\n--- {a: 1}", "\x00") {
		for round := range 3 {
			wantMap, wantArray := map[string]any{}, []any{}
			if err := yaml.Unmarshal([]byte(text), &wantMap); err != nil {
				wantMap["Error"] = err.Error()
			}
			if err := yaml.Unmarshal([]byte(text), &wantArray); err != nil {
				wantArray = []any{err.Error()}
			}
			gotMap, gotArray := fromYAML(text), fromYAMLArray(text)
			if !reflect.DeepEqual(wantMap, gotMap) || !reflect.DeepEqual(wantArray, gotArray) {
				t.Errorf("%.40q, round %d:\nlibrary: %#v %#v\nours:    %#v %#v", text, round, wantMap, wantArray, gotMap, gotArray)
			}
			spoil(gotMap)
			spoil(gotArray)
		}
	}
	for i := range 3 * mostDecoded {
		fromYAML(fmt.Sprintf("a: %d", i))
	}
	if n := len(decoded.values); n == 0 || n > mostDecoded {
		t.Errorf("%d texts are remembered", n)
	}
	for text := range decoded.values {
		if len(text) > longestDecoded || strings.Contains(text, "*") {
			t.Errorf("%.40q is remembered", text)
		}
	}
}

func spoil(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			spoil(item)
			v[key] = "spoilt"
		}
		if v != nil {
			v["spoilt"] = true
		}
	case []any:
		for i, item := range v {
			spoil(item)
			v[i] = "spoilt"
		}
	}
}
