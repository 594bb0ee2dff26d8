package helm

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"helm.sh/helm/v3/pkg/chart"
)

// Violation is one value that the chart's schema does not accept.
type Violation struct {
	// Path leads to the value: keys and, for list items, decimal indices. The
	// first keys name the dependency whose schema was violated, if any.
	Path []string
	// Message says what the schema wants. It holds no value.
	Message string
}

// ValidationError lists every violation of values.schema.json, of the chart
// and of its dependencies.
type ValidationError struct{ Violations []Violation }

func (e *ValidationError) Error() string {
	lines := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		lines[i] = strings.Join(v.Path, ".") + ": " + v.Message
	}
	return strings.Join(lines, "\n")
}

// validate checks values as Helm does, a chart's dependencies included, but
// with a loader that opens nothing outside the chart.
func validate(c *chart.Chart, dir string, values map[string]any) error {
	var found []Violation
	if err := collect(c, dir, values, nil, &found); err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b Violation) int { return slices.Compare(a.Path, b.Path) })
	return &ValidationError{Violations: found}
}

func collect(c *chart.Chart, dir string, values map[string]any, under []string, found *[]Violation) error {
	if c.Schema != nil {
		violations, err := validateOne(c, dir, values)
		if err != nil {
			return err
		}
		for _, v := range violations {
			v.Path = append(slices.Clone(under), v.Path...)
			*found = append(*found, v)
		}
	}
	for _, dep := range c.Dependencies() {
		at := append(slices.Clone(under), dep.Name())
		switch sub := values[dep.Name()].(type) {
		case nil:
		case map[string]any:
			if err := collect(dep, path.Join(dir, "charts", dep.Name()), sub, at, found); err != nil {
				return err
			}
		default:
			*found = append(*found, Violation{Path: at, Message: "must be a mapping: it holds the values of a dependency"})
		}
	}
	return nil
}

func validateOne(c *chart.Chart, dir string, values map[string]any) ([]Violation, error) {
	name := path.Join(dir, schemaFile)
	schema, err := compile(c, name)
	if err != nil {
		return nil, err
	}
	err = schema.Validate(values)
	if err == nil {
		return nil, nil
	}
	failed, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var found []Violation
	flatten(failed, &found)
	return found, nil
}

// flatten collects the violations at the ends of the tree of causes. The
// alternatives of anyOf and oneOf become one violation.
func flatten(e *jsonschema.ValidationError, found *[]Violation) {
	at := slices.Clone(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if message := alternatives(e); message != "" {
			*found = append(*found, Violation{Path: at, Message: message})
			return
		}
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			*found = append(*found, Violation{Path: append(slices.Clone(at), p), Message: "is not a value of this chart"})
		}
		return
	case *kind.Required:
		for _, p := range k.Missing {
			*found = append(*found, Violation{Path: append(slices.Clone(at), p), Message: "must be set"})
		}
		return
	}
	if len(e.Causes) == 0 {
		*found = append(*found, Violation{Path: at, Message: describe(e.ErrorKind)})
		return
	}
	for _, cause := range e.Causes {
		flatten(cause, found)
	}
}

// alternatives describes what would do instead, if all of it concerns the
// same value.
func alternatives(e *jsonschema.ValidationError) string {
	var inner []Violation
	for _, cause := range e.Causes {
		flatten(cause, &inner)
	}
	var messages []string
	for _, v := range inner {
		if !slices.Equal(v.Path, e.InstanceLocation) {
			return "" // the deeper violations say more
		}
		if !slices.Contains(messages, v.Message) {
			messages = append(messages, v.Message)
		}
	}
	if len(messages) == 0 {
		return "matches more than one of the alternatives that the schema offers"
	}
	return strings.Join(messages, ", or ")
}

// describe says what the schema wants, without the value that it got.
func describe(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be " + strings.Join(k.Want, " or ") + ", found " + k.Got
	case *kind.Enum:
		return "must be one of " + list(k.Want)
	case *kind.Const:
		return "must be " + list([]any{k.Want})
	case *kind.Pattern:
		return "must match the pattern " + k.Want
	case *kind.Format:
		return "must be a valid " + k.Want
	case *kind.MinLength:
		if k.Want == 1 {
			return "must not be empty"
		}
		return "must be at least " + strconv.Itoa(k.Want) + " characters long"
	case *kind.MaxLength:
		return "must be at most " + strconv.Itoa(k.Want) + " characters long"
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString()
	case *kind.ExclusiveMinimum:
		return "must be more than " + k.Want.RatString()
	case *kind.ExclusiveMaximum:
		return "must be less than " + k.Want.RatString()
	case *kind.MultipleOf:
		return "must be a multiple of " + k.Want.RatString()
	case *kind.MinItems:
		return "must have at least " + strconv.Itoa(k.Want) + " items"
	case *kind.MaxItems:
		return "must have at most " + strconv.Itoa(k.Want) + " items"
	case *kind.UniqueItems:
		return fmt.Sprintf("must not repeat items, but %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinProperties:
		return "must have at least " + strconv.Itoa(k.Want) + " keys"
	case *kind.MaxProperties:
		return "must have at most " + strconv.Itoa(k.Want) + " keys"
	case *kind.PropertyNames:
		return "has a key that is not allowed: " + k.Property
	case *kind.DependentRequired:
		return "needs " + strings.Join(k.Missing, ", ") + " because " + k.Prop + " is set"
	case *kind.Dependency:
		return "needs " + strings.Join(k.Missing, ", ") + " because " + k.Prop + " is set"
	case *kind.FalseSchema:
		return "must not be set"
	case *kind.RefCycle:
		return "is described by a schema that refers to itself"
	case *kind.Not:
		return "is of a form that the schema excludes"
	case *kind.Contains, *kind.MinContains, *kind.MaxContains:
		return "does not have the items that the schema wants"
	}
	return "does not satisfy " + strings.Join(k.KeywordPath(), "/") + " of the schema"
}

func list(wanted []any) string {
	texts := make([]string, len(wanted))
	for i, w := range wanted {
		if w == "" {
			w = `""`
		}
		texts[i] = fmt.Sprint(w)
	}
	return strings.Join(texts, ", ")
}
