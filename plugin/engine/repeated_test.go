package engine

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChangingFunctions calls every function with maps and looks whether it
// changed them.
func TestChangingFunctions(t *testing.T) {
	all := functions()
	changing := map[string]bool{}
	for name := range all {
		f := reflect.ValueOf(all[name])
		for count := range 4 {
			for variant := range 3 {
				arguments, before, ok := argumentsFor(f.Type(), count, variant)
				if !ok {
					continue
				}
				func() {
					defer func() { _ = recover() }() // what does not suit
					f.Call(arguments)
				}()
				for i, argument := range arguments {
					// sortAlpha sorts a []string in place; that is no data: isData.
					if argument.Type().Kind() == reflect.Map && !cmp.Equal(before[i], argument.Interface()) {
						changing[name] = true
					}
				}
			}
		}
	}
	want := slices.Sorted(maps.Keys((&repeated{}).changing()))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(changing))); diff != "" {
		t.Errorf("(-known +found):\n%s", diff)
	}
	for name, ours := range (&repeated{}).changing() {
		if a, b := reflect.TypeOf(ours), reflect.TypeOf(all[name]); a != b {
			t.Errorf("%s has type %s and should have %s", name, a, b)
		}
	}
	for name := range plain {
		if changing[name] {
			t.Errorf("%s is plain and changes a map", name)
		}
	}
}

// argumentsFor makes arguments, with maps wherever there can be one; ok is false
// if there is none.
func argumentsFor(f reflect.Type, count, variant int) (arguments []reflect.Value, before []any, ok bool) {
	fewest := f.NumIn()
	if f.IsVariadic() {
		fewest--
	}
	if count < fewest || count > f.NumIn() && !f.IsVariadic() {
		return nil, nil, false
	}
	made := func(i int) any {
		return map[string]any{"a": i, fmt.Sprint(i): map[string]any{"b": i}, "n": map[string]any{fmt.Sprint(i): "x"}}
	}
	for i := range count {
		var in reflect.Type
		if f.IsVariadic() && i >= f.NumIn()-1 {
			in = f.In(f.NumIn() - 1).Elem()
		} else {
			in = f.In(i)
		}
		value := reflect.New(in).Elem()
		var copied any
		switch {
		case in.Kind() == reflect.Interface && variant == 0 || in == reflect.TypeFor[map[string]any]():
			value, copied = reflect.ValueOf(made(i)), made(i)
		case in.Kind() == reflect.Interface && variant == 1:
			value = reflect.ValueOf("a")
		case in.Kind() == reflect.Interface:
			value = reflect.ValueOf([]any{"a", "n"})
		case in.Kind() == reflect.String:
			value.SetString([]string{"a", "n", "new"}[variant])
		}
		arguments, before = append(arguments, value), append(before, copied)
	}
	hasMap := slices.ContainsFunc(before, func(value any) bool { return value != nil })
	return arguments, before, hasMap
}

func TestSimpleTemplates(t *testing.T) {
	texts := []Template{{"_helpers.tpl", `
		{{ define "name" }}{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}{{ end }}
		{{ define "fullname" }}{{ $name := include "name" . }}{{ if contains $name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name $name }}{{ end }}{{ end }}
		{{ define "with" }}{{ with .Values.image }}{{ .tag }}{{ $.Values.x.y }}{{ . }}{{ include "name" $ }}{{ end }}{{ end }}
		{{ define "template name" }}{{ .Template.Name }}{{ end }}
		{{ define "all" }}{{ . }}{{ end }}
		{{ define "all by name" }}{{ printf "%v" $ }}{{ end }}
		{{ define "all in a variable" }}{{ $x := . }}{{ $x.Template.Name }}{{ end }}
		{{ define "with all" }}{{ with $ }}{{ .Template.Name }}{{ end }}{{ end }}
		{{ define "with all in if" }}{{ if $x := . }}{{ $x.Template.Name }}{{ end }}{{ end }}
		{{ define "values" }}{{ .Values }}{{ end }}
		{{ define "files" }}{{ .Files.Get "a" }}{{ end }}
		{{ define "capabilities" }}{{ if .Capabilities.APIVersions.Has "v1" }}{{ end }}{{ end }}
		{{ define "chart" }}{{ .Chart.Keywords }}{{ .Chart.Validate }}{{ end }}
		{{ define "random" }}{{ randAlpha 5 }}{{ end }}
		{{ define "set" }}{{ set .Values.a "b" "c" }}{{ end }}
		{{ define "other data" }}{{ include "name" .Values.a }}{{ end }}
		{{ define "inner dot" }}{{ with .Values.a }}{{ include "name" . }}{{ end }}{{ end }}
		{{ define "any name" }}{{ include .Values.name . }}{{ end }}
		{{ define "no such" }}{{ include "nosuch" . }}{{ end }}
		{{ define "template" }}{{ template "name" . }}{{ end }}
		{{ define "itself" }}{{ if .Values.a.b }}{{ include "itself too" . }}{{ end }}{{ end }}
		{{ define "itself too" }}{{ include "itself" . }}{{ end }}
		{{ define "not simple" }}{{ include "random" . }}{{ end }}
		{{ define "twice" }}{{ .Values.a.b }}{{ end }}
	`}, {"later.tpl", `{{ define "twice" }}{{ now }}{{ end }}`}}
	set, err := Parse(texts)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"fullname", "name", "with"}
	got := slices.DeleteFunc(slices.Sorted(maps.Keys(set.simple)), func(name string) bool { return name == "_helpers.tpl" || name == "later.tpl" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRepeatedIsBounded: what is kept is bounded, and ends with the render.
func TestRepeatedIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 2 * mostRepeated {
		fmt.Fprintf(&text, `{{ define "%d" }}{{ .Values.n.text }}{{ end }}{{ include "%d" . }}`, i, i)
	}
	set, err := Parse([]Template{{"a", text.String()}, {"b", `{{ $_ := set .Values "x" (splitList "," "b,a") }}{{ include "1" . }}`}})
	if err != nil {
		t.Fatal(err)
	}
	run, err := set.NewRun()
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{"Values": map[string]any{"n": map[string]any{"text": "x"}}}
	if _, err := run.Execute("a", data); err != nil {
		t.Fatal(err)
	}
	if n := len(run.repeated.texts); n != mostRepeated {
		t.Errorf("%d texts are kept", n)
	}
	if _, err := run.Execute("b", data); err != nil {
		t.Fatal(err)
	}
	if len(run.repeated.texts) > 0 || !run.repeated.off {
		t.Error("texts are kept with more than data in the values")
	}
	if _, err := run.Execute("a", data); err != nil {
		t.Fatal(err)
	}
	if set.End(run); len(run.repeated.texts) > 0 || run.repeated.depth != 0 || run.repeated.off {
		t.Error("something stays for the next render")
	}
}
