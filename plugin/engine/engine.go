package engine

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"text/template"
)

// maxNested is how many executions of one name may be in each other, beyond
// the first. It is Helm's number.
const maxNested = 1000

// noValue is what text/template writes for a missing key of a map of
// interfaces, even with missingkey=zero. Helm removes it wherever it stands.
const noValue = "<no value>"

// Template is a named text.
type Template struct{ Name, Text string }

// rootName is the name of what the templates are associated with. It is Helm's,
// and a template can define it.
const rootName = "gotpl"

// Set is a number of parsed templates that can call each other. It does not
// change: any number of goroutines may use it at a time.
type Set struct {
	parsed *template.Template
	// simple are the templates whose text need not be written twice.
	simple map[string]bool
	// texts are kept if a render has to parse anew.
	texts []Template
	// idle is a run that ended well, for the next render.
	idle atomic.Pointer[Run]
}

// Parse parses templates in their order: of two definitions of a name, the
// later one holds, unless it is empty. The error is text/template's with
// Helm's words around it.
func Parse(templates []Template) (*Set, error) {
	t, err := parse(templates)
	if err != nil {
		return nil, err
	}
	s := &Set{parsed: t}
	if t.Lookup(rootName) != nil {
		s.texts = templates
	} else {
		s.simple = simpleTemplates(t)
	}
	return s, nil
}

func parse(templates []Template) (t *template.Template, err error) {
	defer recovered(&err)
	t = template.New(rootName).Funcs(functions())
	for _, each := range templates {
		if _, err := t.New(each.Name).Parse(each.Text); err != nil {
			return nil, parseError(each.Name, err)
		}
	}
	return t, nil
}

// Run is one render of a Set. It must not be used by two goroutines at a time.
type Run struct {
	root     *template.Template
	nested   map[string]int
	repeated *repeated
	failed   bool
}

// NewRun begins a render. End it with End.
func (s *Set) NewRun() (*Run, error) {
	if r := s.idle.Swap(nil); r != nil {
		return r, nil
	}
	// The parsed texts stay shared. Nothing that executes writes to them, and
	// what tpl defines is written to a clone.
	t, err := s.parsed.Clone()
	if s.texts != nil {
		// A clone loses a definition of the root's own name.
		t, err = parse(s.texts)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot clone template: %w", err)
	}
	r := &Run{root: t, nested: map[string]int{}, repeated: &repeated{simple: s.simple}}
	t.Funcs(r.repeated.changing())
	bind(t, r.nested, r.repeated)
	return r, nil
}

// End gives a run back, which must not be used any more. Nothing in it comes of
// what was executed: templates are defined in clones of it, and what is counted
// is zero again, unless something failed.
func (s *Set) End(r *Run) {
	if !r.failed {
		clear(r.nested)
		r.repeated.reset()
		s.idle.Store(r)
	}
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("rendering template failed: %v", p)
	}
}

// Execute executes the template of that name with data, which it may change.
// The error has the form of Helm's engine: it may hold values.
func (r *Run) Execute(name string, data any) (text string, err error) {
	defer func() { r.failed = r.failed || err != nil }()
	defer recovered(&err)
	r.repeated.begin(data)
	var out strings.Builder
	if err := r.root.ExecuteTemplate(&out, name, data); err != nil {
		return "", executionError(name, err)
	}
	return strings.ReplaceAll(out.String(), noValue, ""), nil
}

// bind gives t the functions that execute its own templates, and the option
// that a clone loses (golang/go#43022). nested counts what is being executed.
// known is nil for the clones of tpl, in which a name can mean another template.
func bind(t *template.Template, nested map[string]int, known *repeated) {
	t.Option("missingkey=zero")
	t.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) { return include(t, nested, known, name, data) },
		"tpl":     func(text string, data any) (string, error) { return tpl(t, nested, text, data) },
	})
}

func include(t *template.Template, nested map[string]int, known *repeated, name string, data any) (string, error) {
	if nested[name] > maxNested {
		return "", fmt.Errorf("rendering template has a nested reference name: %s: unable to execute template", name)
	}
	key, mayRepeat := known.key(name, data)
	if found, ok := known.get(key); ok && mayRepeat {
		return found, nil
	}
	nested[name]++
	var out strings.Builder
	err := known.deeper(func() error { return t.ExecuteTemplate(&out, name, data) })
	nested[name]--
	if mayRepeat && err == nil {
		known.put(key, out.String(), data)
	}
	return out.String(), err
}

// tpl executes text as a template that sees those of parent. What it defines
// is seen by itself and by the tpl in it, not by others.
func tpl(parent *template.Template, nested map[string]int, text string, data any) (string, error) {
	t, err := parent.Clone()
	if err != nil {
		return "", fmt.Errorf("cannot clone template: %w", err)
	}
	bind(t, nested, nil)
	// A text of definitions and blanks alone defines no template of its own
	// name, so it gets one.
	if t, err = t.New(parent.Name()).Parse(text); err != nil {
		return "", fmt.Errorf("cannot parse template %q: %w", text, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("error during tpl function execution for %q: %w", text, err)
	}
	return strings.ReplaceAll(out.String(), noValue, ""), nil
}

// The words of Helm around a message of fail and required.
const (
	messageStart = "HELM_ERR_START"
	messageEnd   = "HELM_ERR_END"
)

var message = regexp.MustCompile(messageStart + `((?s).*)` + messageEnd)

func parseError(name string, err error) error {
	parts := strings.Split(err.Error(), ": ")
	if len(parts) == 1 {
		return fmt.Errorf("parse error in (%s): %w", name, err)
	}
	return fmt.Errorf("parse error at (%s): %s", parts[1], parts[len(parts)-1])
}

// executionError makes the message of fail or required all that is said, with
// the outermost place. Other errors keep their whole chain.
func executionError(name string, err error) error {
	if _, ok := err.(template.ExecError); !ok { //nolint:errorlint // as Helm: one that is wrapped is none
		return err
	}
	const parts = 3 // "template", the place, and the rest
	split := strings.SplitN(err.Error(), ": ", parts)
	if len(split) != parts {
		return fmt.Errorf("execution error in (%s): %w", name, err)
	}
	if m := message.FindStringSubmatch(split[2]); m != nil {
		return fmt.Errorf("execution error at (%s): %s", split[1], m[1])
	}
	return err
}
