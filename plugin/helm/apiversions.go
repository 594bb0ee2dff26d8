package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// APIVersionUse says how a render may depend on the cluster's API versions, so
// that a new CRD on the cluster does not make the result of every chart void.
type APIVersionUse struct {
	// All means that any version may matter.
	All bool
	// Names are the versions that the chart asks for by name, sorted. They may
	// be more than those it came to ask for with these values.
	Names []string
}

// dumps counts how often a list of API versions was written out as a whole in
// this process. A render during which it moved may depend on all of them.
var dumps atomic.Uint64

// versionSet is chartutil.VersionSet, which templates see as
// .Capabilities.APIVersions, and notices when it is printed or encoded.
type versionSet chartutil.VersionSet

func (v versionSet) Has(apiVersion string) bool { return chartutil.VersionSet(v).Has(apiVersion) }

func (v versionSet) Format(f fmt.State, verb rune) {
	dumps.Add(1)
	fmt.Fprintf(f, fmt.FormatString(f, verb), chartutil.VersionSet(v)) //nolint:errcheck // as fmt itself does
}

func (v versionSet) MarshalJSON() ([]byte, error) {
	dumps.Add(1)
	return json.Marshal(chartutil.VersionSet(v))
}

// visibleCapabilities has the fields and the methods of
// chartutil.Capabilities, which is what templates can see of it.
type visibleCapabilities struct {
	KubeVersion chartutil.KubeVersion
	APIVersions versionSet
	HelmVersion any
}

func (c *visibleCapabilities) Copy() *visibleCapabilities {
	copied := *c
	return &copied
}

func visible(caps *chartutil.Capabilities) *visibleCapabilities {
	return &visibleCapabilities{KubeVersion: caps.KubeVersion, APIVersions: versionSet(caps.APIVersions), HelmVersion: caps.HelmVersion}
}

// hasLiteral is the form of use in which the text tells what is asked. toToml
// encodes a list without asking its methods.
var (
	hasLiteral   = regexp.MustCompile("APIVersions\\.Has[ \t]+(?:\"([^\"\\\\\n]*)\"|`([^`\n]*)`)")
	apiVersions  = []byte("APIVersions")
	withoutHooks = []byte("toToml")
)

// apiVersionUse reads in the text of the chart, of its dependencies and of the
// values, which may be templates as well, what is asked. before is the value
// of dumps before the render.
//
// The name of a field stands in the text of a template, where reflection is
// not to be had. A chart that spells the word out of pieces and hands it to
// tpl escapes; it fools itself only.
func apiVersionUse(c *chart.Chart, values map[string]any, before uint64) APIVersionUse {
	scan := useScan{names: map[string]bool{}}
	scan.chart(c)
	scan.value(values)
	if scan.all || dumps.Load() != before {
		return APIVersionUse{All: true}
	}
	use := APIVersionUse{}
	for name := range scan.names {
		use.Names = append(use.Names, name)
	}
	slices.Sort(use.Names)
	return use
}

type useScan struct {
	all   bool
	names map[string]bool
}

func (s *useScan) chart(c *chart.Chart) {
	for _, files := range [][]*chart.File{c.Templates, c.Files} {
		for _, f := range files {
			s.text(f.Data)
		}
	}
	for _, dependency := range c.Dependencies() {
		s.chart(dependency)
	}
}

func (s *useScan) value(v any) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "APIVersions") || strings.Contains(v, "toToml") {
			s.text([]byte(v))
		}
	case []any:
		for _, item := range v {
			s.value(item)
		}
	case map[string]any:
		for key, item := range v {
			s.value(key)
			s.value(item)
		}
	}
}

func (s *useScan) text(text []byte) {
	if s.all = s.all || bytes.Contains(text, withoutHooks); s.all {
		return
	}
	found := bytes.Count(text, apiVersions)
	if found == 0 {
		return
	}
	literals := hasLiteral.FindAllSubmatch(text, -1)
	if len(literals) != found {
		s.all = true
		return
	}
	for _, m := range literals {
		s.names[string(m[1])+string(m[2])] = true
	}
}
