package kustomize

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// broken panics where kustomize looks for files.
type broken struct{ filesys.FileSystem }

func (broken) ReadFile(string) ([]byte, error) { panic("nil map") }

// TestPanic holds that a panic of kustomize is an error, and that the next
// build works.
func TestPanic(t *testing.T) {
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte("resources: [a.yaml]\n")}, "env/a.yaml": {Data: []byte("kind: A")}}
	g, err := collect(t.Context(), tree, "env")
	if err != nil {
		t.Fatal(err)
	}
	g.files = broken{g.files}
	if _, err := g.run(t.Context(), asWritten); err == nil || !strings.Contains(err.Error(), "kustomize stopped unexpectedly") {
		t.Errorf("got %v", err)
	}
	if !running.TryLock() {
		t.Fatal("the lock is still held")
	}
	running.Unlock()
}

// TestWrittenAnew holds that writing a kustomization again loses nothing that
// kustomize has read.
func TestWrittenAnew(t *testing.T) {
	k := &kustomization{file: "env/kustomization.yaml"}
	const text = `
metadata: {name: a, labels: {b: c}}
sortOptions: {order: legacy, legacySortOptions: {orderFirst: [A], orderLast: [B]}}
namePrefix: a-
nameSuffix: -b
namespace: c
commonLabels: {d: e}
labels: [{pairs: {f: g}, includeSelectors: true, includeTemplates: true, includeVolumeClaimTemplates: true, fields: [{path: h, group: i, version: j, kind: k, create: true}]}]
commonAnnotations: {l: m}
patchesStrategicMerge: [nnn]
patchesJson6902: [{target: {kind: o}, path: p}]
patches: [{target: {group: q, version: r, kind: s, name: t, namespace: u, labelSelector: v, annotationSelector: w}, patch: x, options: {allowNameChange: true, allowKindChange: true}}]
images: [{name: yy, newName: z, tagSuffix: A, newTag: B, digest: C}]
replacements: [{path: D}, {source: {kind: E, name: F, fieldPath: G, options: {delimiter: /, index: 1, encoding: base64, create: true}}, targets: [{select: {kind: H}, reject: [{name: I}], fieldPaths: [J], options: {delimiter: /, index: 2}}]}, {sourceValue: K, targets: [{select: {kind: L}, fieldPaths: [M]}]}]
replicas: [{name: NN, count: 0}, {name: O, count: 3}]
vars: [{name: P, objref: {apiVersion: v1, kind: Q, name: R, namespace: S}, fieldref: {fieldPath: T}}]
resources: [U]
components: [V]
crds: [W]
configMapGenerator: [{name: X, namespace: YY, behavior: merge, files: [Z], envs: [aa], literals: ['bb=cc'], options: {labels: {dd: ee}, annotations: {ff: gg}, disableNameSuffixHash: true, immutable: true}}]
secretGenerator: [{name: hh, type: ii, env: jj}]
generatorOptions: {labels: {kk: ll}, disableNameSuffixHash: true}
configurations: [mm]
generators: [nn]
transformers: [oo]
validators: [pp]
buildMetadata: [originAnnotations]
`
	if err := k.parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	assertFilled(t, k.typed)
	data, err := json.Marshal(k.typed)
	if err != nil {
		t.Fatal(err)
	}
	again := &kustomization{}
	if err := again.parse(data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.typed, again.typed, cmpopts.IgnoreUnexported(resid.Gvk{})); diff != "" {
		t.Errorf("(-read +written and read):\n%s", diff)
	}
}

// assertFilled fails for a field of a kustomization that the test leaves out:
// one that a new version of kustomize has, for example.
func assertFilled(t *testing.T, k types.Kustomization) {
	t.Helper()
	refused := map[string]bool{"HelmCharts": true, "HelmGlobals": true, "HelmChartInflationGenerator": true, "OpenAPI": true}
	moved := map[string]bool{"Bases": true, "ImageTags": true}
	v := reflect.ValueOf(k)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !refused[name] && !moved[name] {
			t.Errorf("the test leaves the field %s empty", name)
		}
	}
}
