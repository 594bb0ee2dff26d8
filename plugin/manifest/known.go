package manifest

import (
	"crypto/sha256"
	"maps"
	"sync"
)

// maxKnown bounds the text of the documents that are remembered; twice as much
// is held at most. Fields take several times the memory of their text.
const maxKnown = 512 << 10

// known remembers decoded documents of this process. From one render of a
// chart to the next, nearly all documents are the same, and parsing them takes
// longer than to copy what was parsed.
var known = documentMemo{bytes: maxKnown}

// documentMemo keeps documents in two generations: what is not asked for while
// one fills is dropped with the older one.
type documentMemo struct {
	bytes int

	mu           sync.Mutex
	young, older map[[sha256.Size]byte]knownDocument
	held         int // by the young
}

// knownDocument has fields that nobody else has.
type knownDocument struct {
	fields map[string]any
	size   int
}

// decode returns what decodeDocument returns for doc.
func (m *documentMemo) decode(doc []byte) (map[string]any, error) {
	key := sha256.Sum256(doc)
	if found, ok := m.get(key); ok {
		return CopyFields(found.fields), nil
	}
	fields, err := decodeDocument(doc)
	if err == nil && fields != nil && !holdsSecrets(fields) && len(doc) <= m.bytes {
		m.put(key, knownDocument{CopyFields(fields), len(doc)})
	}
	return fields, err
}

// holdsSecrets reports whether a document must not be kept for longer than a
// render. A List may have anything in it.
func holdsSecrets(fields map[string]any) bool {
	return fields["kind"] == "Secret" || fields["kind"] == "List"
}

func (m *documentMemo) get(key [sha256.Size]byte) (knownDocument, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.young[key]; ok {
		return found, true
	}
	found, ok := m.older[key]
	if ok {
		m.add(key, found)
	}
	return found, ok
}

func (m *documentMemo) put(key [sha256.Size]byte, d knownDocument) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.young[key]; !ok {
		m.add(key, d)
	}
}

// add puts a document among the young. The caller holds mu.
func (m *documentMemo) add(key [sha256.Size]byte, d knownDocument) {
	if m.young == nil || m.held+d.size > m.bytes {
		m.young, m.older, m.held = map[[sha256.Size]byte]knownDocument{}, m.young, 0
	}
	m.young[key] = d
	m.held += d.size
}

// CopyFields returns a copy of what JSON or YAML decodes to, which shares
// nothing that can be changed.
func CopyFields(fields map[string]any) map[string]any {
	out := maps.Clone(fields)
	for name, value := range out {
		switch value.(type) {
		case map[string]any, []any:
			out[name] = copyValue(value)
		}
	}
	return out
}

func copyValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return CopyFields(v)
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = copyValue(item)
		}
		return items
	}
	return value
}
