package engine

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// toYAML returns what sigs.k8s.io/yaml writes, which goes by way of JSON, of a
// parser and of a writer of YAML: a quarter of what a render allocated. What
// charts have most is written here; all else is left to that package.
func toYAML(value any) string {
	w := yamlWriter{out: make([]byte, 0, 512)}
	if w.document(value); !w.gaveUp {
		return strings.TrimSuffix(string(w.out), "\n")
	}
	return marshalYAML(value)
}

func marshalYAML(value any) string {
	data, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}

const (
	step       = 2   // spaces of a level
	lineWidth  = 80  // the library breaks a longer line at a space
	longestKey = 100 // it gives a key of more than 128 bytes a line of its own
	deepest    = 64  // a map can hold itself
)

// yamlWriter writes lines, each to its end.
type yamlWriter struct {
	out   []byte
	depth int
	// gaveUp means that out is worth nothing.
	gaveUp bool
}

func (w *yamlWriter) document(value any) {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 {
			w.mapping(v, 0, false)
			return
		}
	case []any:
		if len(v) > 0 {
			w.sequence(v, 0, false)
			return
		}
	case string:
		if strings.Contains(v, "\n") {
			w.gaveUp = true
			return
		}
	}
	w.leaf(value, 0)
}

// mapping writes the entries at that indent, the first one on the line that
// was begun if there is one.
func (w *yamlWriter) mapping(m map[string]any, indent int, begun bool) {
	if w.depth++; w.depth > deepest || w.gaveUp {
		w.gaveUp = true
		return
	}
	var few [16]string
	keys := few[:0]
	for key := range m {
		if !isASCII(key) || len(key) > longestKey || key == "<<" {
			w.gaveUp = true
			return
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	for i, key := range keys {
		if i > 0 || !begun {
			w.spaces(indent)
		}
		w.text(key)
		w.out = append(w.out, ':')
		switch v := m[key].(type) {
		case map[string]any:
			if len(v) > 0 {
				w.out = append(w.out, '\n')
				w.mapping(v, indent+step, false)
				continue
			}
		case []any:
			if len(v) > 0 {
				w.out = append(w.out, '\n')
				w.sequence(v, indent, false)
				continue
			}
		}
		w.out = append(w.out, ' ')
		w.leaf(m[key], indent+step)
	}
	w.depth--
}

func (w *yamlWriter) sequence(items []any, indent int, begun bool) {
	if w.depth++; w.depth > deepest || w.gaveUp {
		w.gaveUp = true
		return
	}
	for i, item := range items {
		if i > 0 || !begun {
			w.spaces(indent)
		}
		w.out = append(w.out, '-', ' ')
		switch v := item.(type) {
		case map[string]any:
			if len(v) > 0 {
				w.mapping(v, indent+step, true)
				continue
			}
		case []any:
			if len(v) > 0 {
				w.sequence(v, indent+step, true)
				continue
			}
		}
		w.leaf(item, indent+step)
	}
	w.depth--
}

// leaf writes what has no entries, and the end of the line. indent is that of
// a text of several lines.
func (w *yamlWriter) leaf(value any, indent int) {
	switch v := value.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case int:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int64:
		w.out = strconv.AppendInt(w.out, v, 10)
	case float64:
		w.number(v)
	case string:
		if strings.Contains(v, "\n") {
			w.lines(v, indent)
			return
		}
		w.text(v)
	case map[string]any:
		w.out = append(w.out, emptyOrNull(v == nil, "{}")...)
	case []any:
		w.out = append(w.out, emptyOrNull(v == nil, "[]")...)
	default:
		w.gaveUp = true
	}
	w.out = append(w.out, '\n')
}

func emptyOrNull(null bool, empty string) string {
	if null {
		return "null"
	}
	return empty
}

// number writes a float as it comes out of JSON: as an integer if it is one.
func (w *yamlWriter) number(v float64) {
	const most = 1e15 // beyond, exponents come
	switch size := math.Abs(v); {
	case v == 0:
		w.out = append(w.out, '0')
	case size < most && v == math.Trunc(v):
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case size < most && size > 1/most:
		w.out = strconv.AppendFloat(w.out, v, 'g', -1, 64)
	default: // an infinity, too
		w.gaveUp = true
	}
}

// text writes a string of one line.
func (w *yamlWriter) text(s string) {
	switch {
	case s == "", s == "true", s == "false", isNumber(s):
		w.out = append(w.out, '"')
		w.out = append(w.out, s...)
		w.out = append(w.out, '"')
	case isPlain(s) && w.fits(s):
		w.out = append(w.out, s...)
	case !isASCII(s):
		w.gaveUp = true // some are line breaks, whose indent depends on the place
	default:
		quoted := marshalYAML(s)
		if quoted == "" || strings.Contains(quoted, "\n") || !w.fits(quoted) {
			w.gaveUp = true
		}
		w.out = append(w.out, quoted...)
	}
}

// fits says whether s stays on the line that was begun.
func (w *yamlWriter) fits(s string) bool {
	return !strings.Contains(s, " ") || len(w.out)-1-bytes.LastIndexByte(w.out, '\n')+len(s) <= lineWidth
}

// lines writes a text of several lines, if it needs no hints for a reader.
func (w *yamlWriter) lines(s string, indent int) {
	if s[0] == ' ' || s[0] == '\n' || strings.HasSuffix(s, " ") || strings.HasSuffix(s, "\n\n") || strings.Contains(s, " \n") {
		w.gaveUp = true
		return
	}
	w.out = append(w.out, '|')
	if !strings.HasSuffix(s, "\n") {
		w.out = append(w.out, '-')
	}
	w.out = append(w.out, '\n')
	for line := range strings.Lines(s) {
		if line = strings.TrimSuffix(line, "\n"); !isASCII(line) {
			w.gaveUp = true
			return
		}
		if line != "" {
			w.spaces(indent)
		}
		w.out = append(w.out, line...)
		w.out = append(w.out, '\n')
	}
}

func (w *yamlWriter) spaces(n int) {
	for range n {
		w.out = append(w.out, ' ')
	}
}

// isASCII is about ASCII that can be printed.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// isNumber says whether s is digits, with one point among them at most and a
// minus before them. Others may be numbers as well.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || len(s) > 64 || !isDigit(s[0]) || !isDigit(s[len(s)-1]) {
		return false
	}
	points := 0
	for i := range len(s) {
		if s[i] == '.' {
			points++
		} else if !isDigit(s[i]) {
			return false
		}
	}
	return points <= 1
}

// isPlain says whether s, which is no isNumber, stands for itself without
// quotes. Others may as well.
func isPlain(s string) bool {
	if len(s) > 2 && s[0] == '-' && isLetter(strings.TrimPrefix(s[1:], "-")[0]) {
		return isPlain("/" + s) // no number and no word
	}
	if !isLetter(s[0]) && !isDigit(s[0]) && s[0] != '/' || s[len(s)-1] == ' ' {
		return false
	}
	points, letters := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
		case isLetter(c):
			if !strings.ContainsRune("abcdefxo", rune(c|0x20)) {
				letters++ // that no number has; nor has it a slash
			}
		case c == '/':
			letters++
		case c == '.':
			points++
		case c == ':':
			if i+1 == len(s) || s[i+1] == ' ' {
				return false
			}
		case !strings.ContainsRune(" _+=()$;,@*%-", rune(c)):
			return false
		}
	}
	if isDigit(s[0]) {
		const year = 4 // digits and a dash: a date
		return (letters > 0 || points > 1 && strings.Trim(s, ".0123456789") == "") && (len(s) <= year || s[year] != '-')
	}
	const longest = 5
	return len(s) > longest || !slices.Contains(words, strings.ToLower(s))
}

// words are null and what is or was a boolean.
var words = []string{"null", "y", "n", "yes", "no", "on", "off", "true", "false"}

// compareKeys has the library's order: numbers in keys by their value, letters
// after all else.
func compareKeys(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		switch la, lb := isLetter(a[i]), isLetter(b[i]); {
		case la && lb:
			return int(a[i]) - int(b[i])
		case la:
			return 1
		case lb:
			return -1
		}
		return compareAt(a, b, i)
	}
	return len(a) - len(b)
}

// compareAt compares from a difference between two that are no letters.
func compareAt(a, b string, i int) int {
	var na, nb int64
	if a[i] == '0' || b[i] == '0' {
		for j := i - 1; j >= 0 && isDigit(a[j]); j-- {
			if a[j] != '0' {
				na, nb = 1, 1
				break
			}
		}
	}
	na, ea := digits(a, i, na)
	nb, eb := digits(b, i, nb)
	return cmp.Or(cmp.Compare(na, nb), ea-eb, int(a[i])-int(b[i]))
}

// digits continues n with those of s from i on, and says where they end.
func digits(s string, i int, n int64) (value int64, end int) {
	for ; i < len(s) && isDigit(s[i]); i++ {
		n = n*10 + int64(s[i]-'0')
	}
	return n, i
}
