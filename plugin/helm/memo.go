package helm

import (
	"crypto/sha256"
	"sync"
)

// digest is the key of what was made of a text.
type digest = [sha256.Size]byte

// memo keeps what was made of texts, those that came last. What is in it must
// not be changed: several renders may use it at a time.
type memo[V any] struct {
	mu           sync.Mutex
	count, bytes int // at most; bytes are those of the texts

	values map[digest]V
	held   int
	order  []heldText
}

type heldText struct {
	key  digest
	size int
}

func newMemo[V any](count, bytes int) *memo[V] {
	return &memo[V]{count: count, bytes: bytes, values: map[digest]V{}}
}

func (m *memo[V]) get(key digest) (value V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.values[key]
	return value, ok
}

// put keeps what was made of a text of that size.
func (m *memo[V]) put(key digest, size int, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[key]; ok || size > m.bytes {
		return
	}
	m.values[key], m.held = value, m.held+size
	m.order = append(m.order, heldText{key, size})
	for m.held > m.bytes || len(m.order) > m.count {
		oldest := m.order[0]
		m.order = m.order[1:]
		m.held -= oldest.size
		delete(m.values, oldest.key)
	}
}
