package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// oddTexts are what a reader of YAML could take for something else, and what a
// writer has to break, to quote or to escape.
var oddTexts = append(strings.Split(strings.TrimSuffix(`
 x|x |x  y| |  |~|null|Null|NULL|nULL|y|Y|n|N|yes|Yes|yEs|no|on|On|oN|off|OFF|true|True|tRue|false|False|truer|nullable|yesterday
0|00|08|007|010|0x1F|0X1f|0xg|0o14|0O14|0b101|0b102|-0b1|1_000|1_|_1|+1|-1|--1|1.|.1|.5e3|1.5|1.50|1.2.3|10.0.0.1|10.0.0.0/8|1..2|1e3|1E3|1e+3|1e400|1e|e1|1.e1|12e03|0e0
.inf|-.inf|+.Inf|.nan|.NaN|inf|nan|NaN|Infinity|9223372036854775807|9223372036854775808|18446744073709551616|-9223372036854775809
2001-01-01|2001-1-1|2001-01-01T00:00:00Z|2001-01-01t1:2:3|2001-01-01 00:00:00 +1:00|2001-0|2001-|2001-a|2001-01-01m|12:30|12:30:45|1:2|190:20:30|190:20:30.15|12:30m|1:60|1:m
100m|128Mi|1Gi|1k|5s|1h30m|1d|1f|10e|1a|0a|12ab|1x|1o|1b|1.5Gi|1 a|1 b|1,000|1/2|50%|1-2|1-m|1234-m|1234-m:x|a1|v1|apps/v1|1=1|1;2
a: b|a:b|a:|:a|: a|a :b|a #b|a#b|#a|# a|- a|-a|-|--|--a|--a: b|--a b|--1|--a=b|-aa|-0x1|-0b1|-08|-1.5|-1.5.5|-.5|-y|-yes|-a:|-a #b|-9999999999999999999999|---|1/2|1.1.1.1/3|1/2:3|2001-01-01/2|2001/01/01|1:2/3|--- a|---a|...|...a|? a|?a|?|a?|a ?|!a|!!str a|&a|*a|a*|a&b|@a|a@b|%a|a%b|a|{a|}a|[a|]a|a[b]|a{b}|{}|[]|{{ a }}|,a|a,b|a, b|<<|<|>|>a|=|=a|a=b
'a|'a'|"a"|"a|a"b|a'b|it's|a\b|\|\n|`+"`a`|a`b"+`|$(A)|$A|${A}|~/a|/a/b|/|//|(a)|a(b)|a;b|a^b|^a|a~b|a!b|a<b|a>b|a<>&b|a && b|a / b|http://a:80/b?c=d&e=f#g|a:1@sha256:0|key=value,other=value
é|日本|a é|😀|null é|`+"\u00a0|\u2028|\u2029|\ufeff|a\ufeff|\x7f|a\x7f|\x00|a\x1bb|\xff|a\xffb|\u0085|\t|a\tb|\ta|a\t|a\r|\r\n|a\r\nb|\ufffd|\U0010ffff|\u200b"+`
`, "\n"), "|"),
	"", "\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", "a\n\nb", "a\n\n\nb\n", " a\nb", "a\n b", "a \nb", "a\n \nb", "a\nb ", "a\nb\n ", "a\n\tb", "a\tb\nc", "a\nb: c\n", "# a\nb", "- a\n- b\n", "---\na\n", "a\n---\n", "a\n...\n",
	"\u2029\xa9", "\u2028b", "a\u2029b", "a\u0085b", "a\rb", "a \u2028 b: c", "é b: c", "'é\u2028'", strings.Repeat("é ", 30)+": a", "é\nb", "a\né", "a\n\x00", "a\n"+strings.Repeat("long words ", 20)+"end", strings.Repeat("x", 79), strings.Repeat("x", 200), strings.Repeat("x", 2000), strings.Repeat("long words ", 6)+"end", strings.Repeat("long words ", 20)+"end",
	strings.Repeat("ab ", 26)+"c", strings.Repeat("ab ", 25)+"abcd", strings.Repeat("ab  ", 25)+"c", strings.Repeat("a: b ", 25)+"c", strings.Repeat("9", 63), strings.Repeat("9", 64), strings.Repeat("9", 65), strings.Repeat("9", 400), "1."+strings.Repeat("0", 70), strings.Repeat("1", 40)+"."+strings.Repeat("1", 20),
	"|", "|-", "a|b", ">-\n a", "key\n:\n", strings.Repeat("k", 99), strings.Repeat("k", 101), strings.Repeat("k", 129), strings.Repeat("k ", 60)+"k", strings.Repeat("k", 1100),
)

func checkYAML(t *testing.T, value any) {
	t.Helper()
	if want, got := marshalYAML(value), toYAML(value); want != got {
		t.Errorf("%#v\nlibrary: %q\nours:    %q", value, want, got)
	}
}

func TestToYAMLTexts(t *testing.T) {
	for _, text := range oddTexts {
		for _, value := range []any{
			text, []any{text}, map[string]any{"key": text}, map[string]any{text: "value"}, map[string]any{text: map[string]any{text: []any{text, text}}},
			[]any{[]any{text}, map[string]any{"a": text, "b": text}}, map[string]any{"a": map[string]any{"b": map[string]any{"c": map[string]any{"d": text}}}},
			map[string]any{"a": text, text: nil, "b": []any{}},
		} {
			checkYAML(t, value)
		}
	}
}

func TestToYAMLValues(t *testing.T) {
	numbers := []any{0, 1, -1, math.MaxInt64, int64(math.MinInt64), int64(7), uint64(math.MaxUint64), int8(1), float32(1.1), 0.0, math.Copysign(0, -1), 1.0, -1.0, 1.5, -1.5, 0.1, 1.0 / 3, 1e5, 123456.0, 1e6, 1234567.5, 1e14, 999999999999999.0, 1e15, 1e15 + 0.5, 1e16,
		1e20, 1e21, 1e22, 1e100, 1e-3, 1e-4, 1.5e-4, 1e-5, 1e-6, 1e-7, 1e-14, 1e-15, 1e-16, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 16777217.0, 0.1 + 0.2, 100.25, 12345678901.0, 12345678901.5}
	values := slices.Concat(numbers, []any{nil, true, false, map[string]any(nil), map[string]any{}, []any(nil), []any{}, []string{"a"}, []string{}, map[string]string{"a": "b"}, map[any]any{"a": 1}, []int{1},
		struct{ A int }{1}, &struct{ A int }{1}, time.Unix(0, 0).UTC(), []byte("a"), raw("1.50"), files{"a": nil}, func() {}, make(chan int), complex(1, 1), error(nil), fmt.Errorf("x")})
	for _, value := range values {
		checkYAML(t, value)
		checkYAML(t, []any{value, value})
		checkYAML(t, map[string]any{"a": value, "b": []any{value, map[string]any{"c": value, "d": []any{[]any{value}, value}}}})
	}
	deep, self := any("x"), map[string]any{}
	self["self"] = self
	for depth := range 200 {
		checkYAML(t, deep)
		if deep = []any{deep}; depth%2 == 0 {
			deep = map[string]any{"k": deep, "l": "y"}
		}
	}
	if got := toYAML(self); got != "" {
		t.Errorf("a map that holds itself: %q", got)
	}
}

// raw is a type with an encoding of its own.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// TestToYAMLOrder: keys of numbers, letters and signs, all pairs and many at once.
func TestToYAMLOrder(t *testing.T) {
	keys := strings.Fields("a b A B a1 a2 a10 a01 a001 a1b a1.5 a-1 a_1 a.b a/b a-b ab aB Ab b9 b10 b009 1 2 10 01 9a 10a x1y2 x1y10 x01y2 x10 x100 x1000 x0 x00 _ _a - . .. / a.1 a.10 1.1 1.10 99999999999999999999 99999999999999999998 a99999999999999999999 z0a z00a z1a0 z1a z10a00 z10a0")
	for _, a := range keys {
		for _, b := range keys {
			checkYAML(t, map[string]any{a: "1", b: "2"})
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		m := map[string]any{}
		for range random.IntN(30) {
			m[keys[random.IntN(len(keys))]] = "x"
		}
		// The library's order of some three keys is a circle: then what it
		// writes is another each time.
		if steady(m) {
			checkYAML(t, m)
		}
	}
}

func steady(m map[string]any) bool {
	for a := range m {
		for b := range m {
			for c := range m {
				if compareKeys(a, b) < 0 && compareKeys(b, c) < 0 && compareKeys(a, c) >= 0 {
					return false
				}
			}
		}
	}
	return true
}

// TestToYAMLOfCharts: what charts have is written here, not by the library.
func TestToYAMLOfCharts(t *testing.T) {
	value := fromYAML(`
resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: "1.5Gi"}}
ports: [{name: http, containerPort: 8080, protocol: TCP}]
annotations: {prometheus.io/port: "8080", prometheus.io/scrape: "true", note: "", version: "1.2"}
image: ghcr.io/example/shop:1.2.3@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
args: [--port=8080, "a: b", -v]
capabilities: {drop: [ALL], add: []}
fraction: 0.5
config: |
  a: 1

    b: 2
key: null
empty: {}
`)
	w := yamlWriter{}
	if w.document(value); w.gaveUp {
		t.Error("was left to the library")
	}
	checkYAML(t, value)
	w = yamlWriter{}
	if w.document(map[string]any{"a": "two  spaces\nand \nblanks"}); !w.gaveUp {
		t.Error("was not left to the library")
	}
}

// FuzzToYAML makes a value of two texts and a number.
func FuzzToYAML(f *testing.F) {
	for i, text := range oddTexts {
		f.Add(text, oddTexts[(i+7)%len(oddTexts)], float64(i)*1.1, uint8(i))
	}
	f.Fuzz(func(t *testing.T, a, b string, number float64, shape uint8) {
		value := any(a)
		for range 4 {
			switch shape & 3 {
			case 0:
				value = map[string]any{b: value, "k": a}
			case 1:
				value = []any{value, b, number}
			case 2:
				value = map[string]any{"key": value, a: number}
			case 3:
				value = []any{value}
			}
			shape >>= 2
		}
		if m, ok := value.(map[string]any); ok && !steady(m) {
			return
		}
		checkYAML(t, value)
		checkYAML(t, map[string]any{"text": a, "l": []any{a, b}})
		checkYAML(t, number)
	})
}
