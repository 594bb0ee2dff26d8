package plugin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadParameters(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       Parameters
	}{
		{"absent", "", Parameters{}},
		{"null", "null", Parameters{}},
		{"empty", " [] ", Parameters{}},
		{"every type", `[
		  {"name":"environment","string":"prod"},
		  {"name":"value-files","array":["/a.yaml","b.yaml"]},
		  {"name":"set","map":{"image.tag":"007"}},
		  {"name":"set-json","map":{"replicas":"3"}},
		  {"name":"skip-crds","string":"true"},
		  {"name":"allow-empty","string":""}
		]`, Parameters{
			Environment: "prod", ValueFiles: []string{"/a.yaml", "b.yaml"},
			Set: map[string]string{"image.tag": "007"}, SetJSON: map[string]string{"replicas": "3"}, SkipCRDs: true,
		}},
		{"one value each, as the user interface sends them", `[
		  {"name":"set.image.tag","string":"1.2"},{"name":"set","map":{"a":"b"}},{"name":"set-json.replicas","string":"2"}
		]`, Parameters{Set: map[string]string{"image.tag": "1.2", "a": "b"}, SetJSON: map[string]string{"replicas": "2"}}},
		{"without a value", `[{"name":"environment"},{"name":"set","array":null}]`, Parameters{Set: map[string]string{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ReadParameters(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadParametersErrors(t *testing.T) {
	const canary = "canary-7f3a9b"
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"no JSON", `[{"name":"values","string":"` + canary, []string{"ARGOCD_APP_PARAMETERS", "not a JSON array"}},
		{"an object", `{"` + canary + `":1}`, []string{"ARGOCD_APP_PARAMETERS", "not a JSON array"}},
		{"a list of texts", `["` + canary + `"]`, []string{"ARGOCD_APP_PARAMETERS"}},
		{"trailing text", `[] []`, []string{"ARGOCD_APP_PARAMETERS"}},
		{"unknown", `[{"name":"valueFiles","array":["` + canary + `"]}]`, []string{"unknown parameter valueFiles; did you mean value-files?"}},
		{"unknown and like nothing", `[{"name":"zzzzzzzzz"}]`, []string{"unknown parameter zzzzzzzzz"}},
		{"unknown and the start of a name", `[{"name":"env"}]`, []string{"unknown parameter env; did you mean environment?"}},
		{"unknown and a value of the chart", `[{"name":"image.tag"}]`, []string{"unknown parameter image.tag; to set a value of the chart, name it set.image.tag or set-json.image.tag"}},
		{"array for a string", `[{"name":"environment","array":["` + canary + `"]}]`, []string{"parameter environment must be given as string, found array"}},
		{"string for an array", `[{"name":"value-files","string":"` + canary + `"}]`, []string{"parameter value-files must be given as array, found string"}},
		{"number for a string", `[{"name":"environment","string":5}]`, []string{"parameter environment", "JSON string"}},
		{"numbers in a map", `[{"name":"set","map":{"a":5}}]`, []string{"parameter set:", "JSON map of strings"}},
		{"no boolean", `[{"name":"skip-crds","string":"yes"}]`, []string{"parameter skip-crds must be true or false"}},
		{"no name", `[{"string":"` + canary + `"}]`, []string{"parameter 1 has no name"}},
		{"twice", `[{"name":"overlay","string":"a"},{"name":"overlay","string":"b"}]`, []string{"parameter overlay is given twice"}},
		{"twice by two ways", `[{"name":"set","map":{"a":"x"}},{"name":"set.a","string":"y"}]`, []string{"parameter set.a is given twice"}},
		{"several problems", `[{"name":"enviroment"},{"name":"skip-crds","string":"1"}]`,
			[]string{"did you mean environment?", "parameter skip-crds"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ReadParameters(tc.text)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes a value: %v", err)
			}
		})
	}
}

func FuzzReadParameters(f *testing.F) {
	for _, seed := range []string{
		"", "null", "[]", `[{"name":"environment","string":"dev"}]`, `[{"name":"set","map":{"a.b[0]":"c"}}]`,
		`[{"name":"value-files","array":["../x"]}]`, `[{"name":"set.a","string":"b"},{"name":"set-json.a","string":"{}"}]`,
		`[{"name":"environment","array":null,"string":"x"}]`, `[[[[`, `[{"name":{}}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ReadParameters(text)
		second, again := ReadParameters(text)
		if (err == nil) != (again == nil) || err == nil && !cmp.Equal(first, second) {
			t.Error("the same text was read in two ways")
		}
		if err != nil && strings.TrimSpace(Message(err)) == "" {
			t.Error("an error without a message")
		}
	})
}

func TestResolve(t *testing.T) {
	for _, tc := range []struct{ dir, path, want, problem string }{
		{"charts/x", "values.yaml", "charts/x/values.yaml", ""},
		{"charts/x", "/argocd/a.yaml", "argocd/a.yaml", ""},
		{"charts/x", "../y/a.yaml", "charts/y/a.yaml", ""},
		{".", "/", ".", ""},
		{"", "a/./b/../c", "a/c", ""},
		{"charts/x", "../../../etc/passwd", "", "leaves the repository"},
		{"charts/x", "/../etc/passwd", "", ""},
		{"charts/x", "", "", "a path is empty"},
		{"charts/x", "https://example.com/a.yaml", "", "is a URL"},
		{"charts/x", "git+ssh://x", "", "is a URL"},
		{"charts/x", "$values/a.yaml", "", "Argo CD gives plugins no other source"},
		{"charts/x", `..\..\a`, "", "separate directories by /"},
		{"charts/x", "a\x00b", "", "separate directories by /"},
	} {
		got, err := Request{Dir: tc.dir}.resolve("value-files", tc.path)
		switch {
		case tc.path == "/../etc/passwd":
			// A leading / is the root of the repository, and nothing is above it.
			if err == nil && got != "etc/passwd" {
				t.Errorf("%s: %q", tc.path, got)
			}
		case tc.problem == "":
			if err != nil || got != tc.want {
				t.Errorf("%s in %s: %q, %v; want %q", tc.path, tc.dir, got, err, tc.want)
			}
		case err == nil || !strings.Contains(err.Error(), tc.problem):
			t.Errorf("%s in %s: %v, want %q", tc.path, tc.dir, err, tc.problem)
		}
	}
}

func TestMessage(t *testing.T) {
	long := strings.Repeat("ä", 400)
	for _, tc := range []struct{ name, text, want string }{
		{"one line", "a.yaml:1:2: wrong", "a.yaml:1:2: wrong"},
		{"long line", long + ": is wrong", strings.Repeat("ä", 98) + "…" + strings.Repeat("ä", 45) + ": is wrong"},
		{"control characters", "bad \x1b[31m\x07 name", "bad ?[31m? name"},
		{"blank lines", "a\n\n  \nb\n", "a\nb"},
	} {
		got := Message(textError(tc.text))
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if len(got) > maxFirstLine {
			t.Errorf("%s: %d bytes", tc.name, len(got))
		}
	}
	if lines := strings.Split(Message(textError(strings.Repeat("x\n", 100))), "\n"); len(lines) != maxProblems+1 {
		t.Errorf("100 problems give %d lines", len(lines))
	}
}

type textError string

func (e textError) Error() string { return string(e) }

func TestRedact(t *testing.T) {
	merged := map[string]any{
		"image":  map[string]any{"tag": "public-tag-1"},
		"secret": map[string]any{"data": map[string]any{"URL": "postgres://u:pass@h", "SHORT": "abc"}},
		"list":   []any{map[string]any{"apiKey": "key-12345678"}}, "dbPassword": "hunter2",
		"kafka": map[string]any{"existingSecret": "kafka-user", "passwordKey": "password-in-it", "secretKeyRef": map[string]any{"name": "referred-to"}},
	}
	var secrets []string
	findSecrets(merged, false, &secrets)
	err := textError("a public-tag-1 b postgres://u:pass@h c key-12345678 d hunter2 e abc kafka-user password-in-it referred-to aHVudGVyMg==")
	got := redact(err, secrets).Error()
	if want := "a public-tag-1 b [redacted] c [redacted] d [redacted] e abc kafka-user password-in-it referred-to [redacted]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if plain := textError("nothing in it"); redact(plain, secrets) != error(plain) {
		t.Error("an error without secrets was replaced")
	}
}

// TestRedactForms puts a secret into a text in the ways that templates have.
func TestRedactForms(t *testing.T) {
	const secret = "first \"line's\" <canary>\nsecond line\n"
	for _, text := range []string{
		secret, fmt.Sprintf("%q", secret), `{"a":"first \"line's\" \u003ccanary\u003e\nsecond line\n"}`,
		"a: |\n  first \"line's\" <canary>\n  second line\n", `a: 'first "line''s" <canary>`,
	} {
		got := redact(textError(text), []string{secret}).Error()
		if strings.Contains(got, "canary") || strings.Contains(got, "second") {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"environment", "value-files", "values", "set"}
	for word, want := range map[string]string{
		"enviroment": "; did you mean environment?", "valuefiles": "; did you mean value-files?", "vlaues": "; did you mean values?",
		"zzzzzzzzzz": "; there are environment, value-files, values, set",
	} {
		if got := didYouMean(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := didYouMean("x", nil); got != "" {
		t.Errorf("without known words: %q", got)
	}
}
