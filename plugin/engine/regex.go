package engine

import (
	"regexp"
	"strings"
	"sync"
	"text/template"
)

// patterns remembers the regular expressions of this process. Sprig compiles
// them for each call, which takes longer than to match.
var patterns = patternMemo{compiled: map[string]*regexp.Regexp{}}

type patternMemo struct {
	mu       sync.Mutex
	compiled map[string]*regexp.Regexp
}

// The limits keep what is remembered at a few megabytes, whoever wrote it.
const (
	mostPatterns   = 64
	longestPattern = 100
)

// get returns nil for what is better left to sprig: an expression that is
// wrong, or one that could take much memory.
func (m *patternMemo) get(pattern string) *regexp.Regexp {
	if len(pattern) > longestPattern || strings.Contains(pattern, "{") {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.compiled[pattern]
	if !ok {
		var err error
		if known, err = regexp.Compile(pattern); err != nil {
			return nil
		}
		if len(m.compiled) >= mostPatterns {
			clear(m.compiled)
		}
		m.compiled[pattern] = known
	}
	return known
}

// withPatterns replaces functions of sprig by the same with patterns.
func withPatterns(all template.FuncMap) {
	if match, ok := all["regexMatch"].(func(string, string) bool); ok {
		all["regexMatch"] = func(pattern, s string) bool {
			if r := patterns.get(pattern); r != nil {
				return r.MatchString(s)
			}
			return match(pattern, s)
		}
	}
	if find, ok := all["regexFind"].(func(string, string) string); ok {
		all["regexFind"] = func(pattern, s string) string {
			if r := patterns.get(pattern); r != nil {
				return r.FindString(s)
			}
			return find(pattern, s)
		}
	}
	if findAll, ok := all["regexFindAll"].(func(string, string, int) []string); ok {
		all["regexFindAll"] = func(pattern, s string, n int) []string {
			if r := patterns.get(pattern); r != nil {
				return r.FindAllString(s, n)
			}
			return findAll(pattern, s, n)
		}
	}
	if replace, ok := all["regexReplaceAll"].(func(string, string, string) string); ok {
		all["regexReplaceAll"] = func(pattern, s, by string) string {
			if r := patterns.get(pattern); r != nil {
				return r.ReplaceAllString(s, by)
			}
			return replace(pattern, s, by)
		}
	}
}
