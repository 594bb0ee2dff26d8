package manifest

import (
	"errors"
	"fmt"
)

// ErrEmpty is returned by Check for a list without objects. Argo CD would
// take it as the wish to delete everything (argo-cd#15339).
var ErrEmpty = errors.New("no objects were rendered")

// CheckOptions are the expectations of Check.
type CheckOptions struct {
	// Namespace is the release's. An object that names another one is refused.
	Namespace string
	// AllowEmpty accepts a list without objects.
	AllowEmpty bool
}

// Check reports every object that a cluster could not take as it is: without
// apiVersion, kind or name, in another namespace, or twice the same identity.
// All problems come back at once, joined, in the order of the list.
func Check(list List, opts CheckOptions) error {
	if len(list) == 0 && !opts.AllowEmpty {
		return ErrEmpty
	}
	var errs []error
	seen := make(map[ID]string, len(list))
	for _, o := range list {
		id := o.ID()
		for _, field := range []struct{ name, value string }{
			{"apiVersion", o.APIVersion()}, {"kind", o.Kind()}, {"metadata.name", o.Name()},
		} {
			if field.value == "" {
				errs = append(errs, fmt.Errorf("%s: %s has no %s", o.Source, id, field.name))
			}
		}
		if id.Namespace != "" && opts.Namespace != "" && id.Namespace != opts.Namespace {
			errs = append(errs, fmt.Errorf("%s: %s is in a foreign namespace; the release's is %s",
				o.Source, id, opts.Namespace))
		}
		if id.Kind == "" || id.Name == "" || o.metadata("name") == "" {
			continue // not an identity
		}
		if id.Namespace == opts.Namespace {
			id.Namespace = "" // written or defaulted, it is the same object
		}
		if first, ok := seen[id]; ok {
			errs = append(errs, fmt.Errorf("%s: %s was already rendered by %s", o.Source, o.ID(), first))
			continue
		}
		seen[id] = o.Source
	}
	return errors.Join(errs...)
}
