package engine

import (
	"strings"
	"sync"
)

// decoded remembers what short texts of YAML mean. Charts hand maps from one
// template to another in this form, the same in each render.
var decoded = decodedMemo{values: map[string]any{}}

type decodedMemo struct {
	mu     sync.Mutex
	values map[string]any
}

// The limits keep what is remembered below about 16 MB, whoever wrote it.
const (
	mostDecoded    = 128
	longestDecoded = 2 << 10
)

// get returns a copy, which the template may change, or nil.
func (m *decodedMemo) get(text string) any {
	if len(text) > longestDecoded {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return copied(m.values[text])
}

// put remembers a copy of value, unless it may be larger than its text.
func (m *decodedMemo) put(text string, value any) {
	if len(text) > longestDecoded || strings.ContainsAny(text, "&*") {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.values) >= mostDecoded {
		clear(m.values)
	}
	m.values[strings.Clone(text)] = copied(value)
}

// copied copies what comes out of a decoder, which is no pointer to anything
// else. A nil map and a nil list stay what they are.
func copied(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = copied(item)
		}
		return out
	case []any:
		if v == nil {
			return v
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = copied(item)
		}
		return out
	}
	return value
}
