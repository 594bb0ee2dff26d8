package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Definition describes one parameter: it is the same for Argo CD, for the
// command line and for what is announced to Argo CD's user interface.
//
// Exactly one of Text, List, Table and Switch is set. It gives the type of
// the parameter and the place of its value.
type Definition struct {
	Name, Title, Tooltip string

	Text   func(*Parameters) *string
	List   func(*Parameters) *[]string
	Table  func(*Parameters) *map[string]string
	Switch func(*Parameters) *bool
}

// Definitions lists the parameters in the order in which people read them.
func Definitions() []Definition {
	return []Definition{
		{
			Name: "environment", Title: "Environment", Tooltip: "Uses values-<environment>.yaml beside Chart.yaml",
			Text: func(p *Parameters) *string { return &p.Environment },
		}, {
			Name: "value-files", Title: "Values files", Tooltip: "Further values files, later ones win; a leading / means the repository's root",
			List: func(p *Parameters) *[]string { return &p.ValueFiles },
		}, {
			Name: "optional-value-files", Title: "Optional values files", Tooltip: "The same, skipped where they do not exist",
			List: func(p *Parameters) *[]string { return &p.OptionalValueFiles },
		}, {
			Name: "values", Title: "Values", Tooltip: "One YAML document, laid over all files",
			Text: func(p *Parameters) *string { return &p.Values },
		}, {
			Name: "set", Title: "Set", Tooltip: "Strings by dotted path, as helm --set-string",
			Table: func(p *Parameters) *map[string]string { return &p.Set },
		}, {
			Name: "set-json", Title: "Set JSON", Tooltip: "JSON values by dotted path, as helm --set-json",
			Table: func(p *Parameters) *map[string]string { return &p.SetJSON },
		}, {
			Name: "overlay", Title: "Overlay", Tooltip: "Directory with a kustomization.yaml; default overlays/<environment> if it exists",
			Text: func(p *Parameters) *string { return &p.Overlay },
		}, {
			Name: "release-name", Title: "Release name", Tooltip: "Default: the name of the Application",
			Text: func(p *Parameters) *string { return &p.ReleaseName },
		}, {
			Name: "namespace", Title: "Namespace", Tooltip: "Default: the namespace of the Application's destination",
			Text: func(p *Parameters) *string { return &p.Namespace },
		}, {
			Name: "kube-version", Title: "Kubernetes version", Tooltip: "Default: the cluster's",
			Text: func(p *Parameters) *string { return &p.KubeVersion },
		}, {
			Name: "api-versions", Title: "API versions", Tooltip: "Default: the cluster's",
			List: func(p *Parameters) *[]string { return &p.APIVersions },
		}, {
			Name: "skip-crds", Title: "Skip CRDs", Tooltip: "true leaves out the chart's crds/ directory",
			Switch: func(p *Parameters) *bool { return &p.SkipCRDs },
		}, {
			Name: "include-tests", Title: "Include tests", Tooltip: "true keeps Helm's test hooks",
			Switch: func(p *Parameters) *bool { return &p.IncludeTests },
		}, {
			Name: "allow-empty", Title: "Allow empty", Tooltip: "true accepts a render without objects, which deletes everything",
			Switch: func(p *Parameters) *bool { return &p.AllowEmpty },
		},
	}
}

// The prefixes of the parameters that set one value of the chart each, as
// they are announced to Argo CD's user interface.
const (
	setPrefix     = "set."
	setJSONPrefix = "set-json."
)

// ReadParameters decodes ARGOCD_APP_PARAMETERS: a JSON array of objects with
// a name and a value under "string", "array" or "map". Empty text and null
// mean no parameters. All problems are reported at once; none quotes a value.
func ReadParameters(text string) (Parameters, error) {
	var p Parameters
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	var given []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return p, errors.New("ARGOCD_APP_PARAMETERS: not a JSON array of objects with name and string, array or map")
	}
	var errs []error
	seen := map[string]bool{}
	for i, fields := range given {
		var name string
		if json.Unmarshal(fields["name"], &name) != nil || name == "" {
			errs = append(errs, fmt.Errorf("parameter %d has no name", i+1))
			continue
		}
		if seen[name] {
			errs = append(errs, fmt.Errorf("parameter %s is given twice", clip(name)))
			continue
		}
		seen[name] = true
		errs = append(errs, p.assign(name, fields))
	}
	return p, errors.Join(errs...)
}

func (p *Parameters) assign(name string, fields map[string]json.RawMessage) error {
	if path, ok := strings.CutPrefix(name, setJSONPrefix); ok {
		return p.assignOne(&p.SetJSON, setJSONPrefix, path, fields)
	}
	if path, ok := strings.CutPrefix(name, setPrefix); ok {
		return p.assignOne(&p.Set, setPrefix, path, fields)
	}
	names := make([]string, 0, 16)
	for _, d := range Definitions() {
		if d.Name == name {
			return d.read(p, fields)
		}
		names = append(names, d.Name)
	}
	advice := didYouMean(name, names)
	if advice == "" && strings.Contains(name, ".") {
		advice = fmt.Sprintf("; to set a value of the chart, name it %s%s or %s%[2]s", setPrefix, clip(name), setJSONPrefix)
	}
	return fmt.Errorf("unknown parameter %s%s", clip(name), advice)
}

// assignOne adds one value to a table that the parameter of the same prefix
// may fill as well.
func (p *Parameters) assignOne(table *map[string]string, prefix, path string, fields map[string]json.RawMessage) error {
	var value string
	if err := readAs(prefix+path, "string", fields, &value); err != nil {
		return err
	}
	if _, ok := (*table)[path]; ok {
		return fmt.Errorf("parameter %s is given twice", clip(prefix+path))
	}
	if *table == nil {
		*table = map[string]string{}
	}
	(*table)[path] = value
	return nil
}

func (d Definition) read(p *Parameters, fields map[string]json.RawMessage) error {
	switch {
	case d.Text != nil:
		return readAs(d.Name, "string", fields, d.Text(p))
	case d.List != nil:
		return readAs(d.Name, "array", fields, d.List(p))
	case d.Table != nil:
		var given map[string]string
		if err := readAs(d.Name, "map", fields, &given); err != nil {
			return err
		}
		table := d.Table(p)
		if *table == nil {
			*table = map[string]string{}
		}
		for path, value := range given {
			if _, ok := (*table)[path]; ok {
				return fmt.Errorf("parameter %s.%s is given twice", d.Name, clip(path))
			}
			(*table)[path] = value
		}
		return nil
	}
	var text string
	if err := readAs(d.Name, "string", fields, &text); err != nil {
		return err
	}
	on, err := ParseSwitch(d.Name, text)
	*d.Switch(p) = on
	return err
}

// ParseSwitch reads the value of a boolean parameter: Argo CD's parameters
// have no booleans, only strings. Empty means false.
func ParseSwitch(name, text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, fmt.Errorf("parameter %s must be true or false", name)
}

// readAs decodes the value of a parameter that must be under the key want.
func readAs(name, want string, fields map[string]json.RawMessage, into any) error {
	for _, other := range []string{"string", "array", "map"} {
		if value, ok := fields[other]; ok && other != want && string(value) != "null" {
			return fmt.Errorf("parameter %s must be given as %s, found %s", clip(name), want, other)
		}
	}
	value, ok := fields[want]
	if !ok {
		return nil // named without a value: as if it were not there
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("parameter %s: the value under %q is not a JSON %s of strings", clip(name), want, want)
	}
	return nil
}
