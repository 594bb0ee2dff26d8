package engine

import (
	"fmt"
	"strings"
	"testing"
)

// TestPatternsAreBounded: what a chart may write must not fill the memory.
func TestPatternsAreBounded(t *testing.T) {
	for i := range 3 * mostPatterns {
		pattern := fmt.Sprint("a", i)
		first := patterns.get(pattern)
		if first == nil || patterns.get(pattern) != first {
			t.Errorf("%s is not remembered", pattern)
		}
	}
	for _, pattern := range []string{"(", "a{1000}", strings.Repeat("a", longestPattern+1)} {
		if patterns.get(pattern) != nil {
			t.Errorf("%.20s is remembered", pattern)
		}
	}
	if n := len(patterns.compiled); n == 0 || n > mostPatterns {
		t.Errorf("%d patterns", n)
	}
}
