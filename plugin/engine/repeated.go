package engine

import (
	"reflect"
	"slices"
	"strings"
	"text/template"
	syntax "text/template/parse"
)

// Charts ask for the same few names again and again: in a chart of twenty
// objects, a third of all that is included are the name of the chart, of the
// release and the tag, each with the root of the data. What such a template
// writes is kept for the rest of the render, if these hold:
//
//   - it calls nothing but functions that depend on their arguments alone, and
//     templates of the same kind, and gets no data but by fields;
//   - it looks at nothing that is another thing for the next template, or that
//     takes note of being looked at;
//   - it gets the root itself, into which templates have put nothing but data:
//     anything else may change by itself, such as the root in the values, or be
//     changed by its methods;
//   - no function that changes a map has been called since.
//
// Nothing of it outlives the render.

// repeated is what templates have written in this render.
type repeated struct {
	simple map[string]bool
	texts  map[repeatedKey]repeatedText
	// depth is how many includes are in each other.
	depth int
	// root is the data of the template that is executed.
	root uintptr
	// off says that more than data was put into a map.
	off bool
}

type repeatedKey struct {
	name string
	of   reflect.Type
	data uintptr
}

// repeatedText keeps the data: its address cannot be that of other data.
type repeatedText struct {
	text string
	data any
}

const (
	mostRepeated    = 256
	longestRepeated = 4 << 10
	// deepestRepeated keeps away from maxNested: there, the next include
	// fails where the one before did not.
	deepestRepeated = 100
)

// key is for the data of a chart, which is a map; ok is false if nothing is to
// be kept.
func (r *repeated) key(name string, data any) (key repeatedKey, ok bool) {
	if r == nil || r.off || !r.simple[name] || r.depth > deepestRepeated {
		return key, false
	}
	fields := reflect.ValueOf(data)
	if fields.Kind() != reflect.Map || fields.IsNil() || fields.Pointer() != r.root {
		return key, false
	}
	return repeatedKey{name, fields.Type(), fields.Pointer()}, true
}

// begin is called with the data of each template that is executed.
func (r *repeated) begin(data any) {
	r.root = 0
	if fields := reflect.ValueOf(data); fields.Kind() == reflect.Map {
		r.root = fields.Pointer()
	}
}

func (r *repeated) get(key repeatedKey) (text string, ok bool) {
	if r == nil {
		return "", false
	}
	found, ok := r.texts[key]
	return found.text, ok
}

func (r *repeated) deeper(execute func() error) error {
	if r == nil {
		return execute()
	}
	r.depth++
	defer func() { r.depth-- }()
	return execute()
}

func (r *repeated) put(key repeatedKey, text string, data any) {
	if len(text) > longestRepeated || len(r.texts) >= mostRepeated {
		return
	}
	if r.texts == nil {
		r.texts = map[repeatedKey]repeatedText{}
	}
	r.texts[key] = repeatedText{text, data}
}

// forget is called when a map may get values.
func (r *repeated) forget(values ...any) {
	clear(r.texts)
	budget := mostLooked
	r.off = r.off || slices.ContainsFunc(values, func(value any) bool { return !isData(value, &budget) })
}

// reset makes r that of a new render.
func (r *repeated) reset() {
	clear(r.texts)
	r.off = false
}

// mostLooked is how many values are looked at when a map gets them. Templates
// can put maps into themselves.
const mostLooked = 1000

// isData reports whether nothing but scalars, maps and lists is in value, as
// it is in values files. A []string is not: sortAlpha sorts it where it is.
func isData(value any, budget *int) bool {
	if *budget--; *budget < 0 {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		for _, item := range v {
			if !isData(item, budget) {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isData(item, budget) })
	case nil, bool, string, int, int64, float64:
		return true
	}
	return false
}

func asAny(maps []map[string]any) []any {
	out := make([]any, len(maps))
	for i, m := range maps {
		out[i] = m
	}
	return out
}

// changing are the functions that change a map which they are given.
// TestChangingFunctions holds it complete. Each has sprig's type: errors name
// it.
func (r *repeated) changing() template.FuncMap {
	all := functions()
	set := all["set"].(func(map[string]any, string, any) map[string]any)                              //nolint:forcetypeassert // checked by the same test
	unset := all["unset"].(func(map[string]any, string) map[string]any)                               //nolint:forcetypeassert // as above
	merge := all["merge"].(func(map[string]any, ...map[string]any) any)                               //nolint:forcetypeassert // as above
	overwrite := all["mergeOverwrite"].(func(map[string]any, ...map[string]any) any)                  //nolint:forcetypeassert // as above
	mustMerge := all["mustMerge"].(func(map[string]any, ...map[string]any) (any, error))              //nolint:forcetypeassert // as above
	mustOverwrite := all["mustMergeOverwrite"].(func(map[string]any, ...map[string]any) (any, error)) //nolint:forcetypeassert // as above
	return template.FuncMap{
		"set": func(m map[string]any, key string, value any) map[string]any {
			r.forget(value)
			return set(m, key, value)
		},
		"unset": func(m map[string]any, key string) map[string]any {
			r.forget()
			return unset(m, key)
		},
		"merge": func(m map[string]any, from ...map[string]any) any {
			r.forget(asAny(from)...)
			return merge(m, from...)
		},
		"mergeOverwrite": func(m map[string]any, from ...map[string]any) any {
			r.forget(asAny(from)...)
			return overwrite(m, from...)
		},
		"mustMerge": func(m map[string]any, from ...map[string]any) (any, error) {
			r.forget(asAny(from)...)
			return mustMerge(m, from...)
		},
		"mustMergeOverwrite": func(m map[string]any, from ...map[string]any) (any, error) {
			r.forget(asAny(from)...)
			return mustOverwrite(m, from...)
		},
	}
}

// plain are the functions that a simple template may call.
var plain = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(`and or not eq ne lt le gt ge len printf
		default empty coalesce ternary trunc trimSuffix trimPrefix trim trimAll quote squote lower upper replace
		contains hasPrefix hasSuffix toString int int64 add add1 sub regexReplaceAll regexMatch`) {
		set[name] = true
	}
	return set
}()

// simpleTemplates returns the names of the templates whose text may be kept.
func simpleTemplates(t *template.Template) map[string]bool {
	s := &simplicity{root: t, known: map[string]bool{}}
	for _, each := range t.Templates() {
		s.template(each.Name())
	}
	for name, isSimple := range s.known {
		if !isSimple {
			delete(s.known, name)
		}
	}
	return s.known
}

type simplicity struct {
	root *template.Template
	// known are templates that were looked at; one that is being looked at is
	// not simple: it includes itself.
	known map[string]bool
}

func (s *simplicity) template(name string) bool {
	if isSimple, ok := s.known[name]; ok {
		return isSimple
	}
	s.known[name] = false
	t := s.root.Lookup(name)
	isSimple := t != nil && t.Tree != nil && t.Root != nil && s.list(t.Root, true)
	s.known[name] = isSimple
	return isSimple
}

// list reports whether nodes are simple. isRoot says that the dot is the root
// of the data, which must not be taken as a whole.
func (s *simplicity) list(l *syntax.ListNode, isRoot bool) bool {
	return l == nil || !slices.ContainsFunc(l.Nodes, func(n syntax.Node) bool { return !s.node(n, isRoot) })
}

func (s *simplicity) node(n syntax.Node, isRoot bool) bool {
	switch n := n.(type) {
	case *syntax.TextNode, *syntax.CommentNode:
		return true
	case *syntax.ActionNode:
		return s.pipe(n.Pipe, isRoot)
	case *syntax.IfNode:
		return s.pipe(n.Pipe, isRoot) && s.list(n.List, isRoot) && s.list(n.ElseList, isRoot)
	case *syntax.WithNode:
		return s.pipe(n.Pipe, isRoot) && s.list(n.List, false) && s.list(n.ElseList, isRoot)
	}
	return false
}

func (s *simplicity) pipe(p *syntax.PipeNode, isRoot bool) bool {
	for _, command := range p.Cmds {
		args := command.Args
		if name, ok := args[0].(*syntax.IdentifierNode); ok {
			if name.Ident == "include" {
				if !s.include(args[1:], isRoot) {
					return false
				}
				continue
			}
			if !plain[name.Ident] {
				return false
			}
			args = args[1:]
		}
		if slices.ContainsFunc(args, func(arg syntax.Node) bool { return !s.argument(arg, isRoot) }) {
			return false
		}
	}
	return true
}

// include reports whether a simple template is included with the root.
func (s *simplicity) include(args []syntax.Node, isRoot bool) bool {
	if len(args) != 2 { //nolint:mnd // a name and data
		return false
	}
	name, ok := args[0].(*syntax.StringNode)
	if !ok || !s.template(name.Text) {
		return false
	}
	switch data := args[1].(type) {
	case *syntax.DotNode:
		return isRoot
	case *syntax.VariableNode:
		return len(data.Ident) == 1 && data.Ident[0] == "$"
	}
	return false
}

func (s *simplicity) argument(n syntax.Node, isRoot bool) bool {
	switch n := n.(type) {
	case *syntax.StringNode, *syntax.NumberNode, *syntax.BoolNode, *syntax.NilNode:
		return true
	case *syntax.DotNode:
		return !isRoot
	case *syntax.FieldNode:
		return !isRoot || isPlainField(n.Ident)
	case *syntax.VariableNode:
		return n.Ident[0] != "$" || isPlainField(n.Ident[1:])
	case *syntax.PipeNode:
		return s.pipe(n, isRoot)
	}
	return false
}

// isPlainField reports whether a field of the root is data, all below it is
// data, and it is the same for all templates of a render.
func isPlainField(names []string) bool {
	if len(names) < 2 { //nolint:mnd // .Values.x
		return false
	}
	switch names[0] {
	case "Values", "Release":
		return true
	case "Chart":
		return len(names) == 2 && slices.Contains([]string{"Name", "Version", "AppVersion"}, names[1]) //nolint:mnd // .Chart.Name
	}
	return false
}
