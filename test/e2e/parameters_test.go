package e2e

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestParametersUI holds the announcements to what Argo CD's user interface does with them
// (ui/src/app/applications/components/application-parameters): it picks the input by collectionType alone, takes
// the first announcement of a name, shows the title as the label and the field of that type as the default.
func TestParametersUI(t *testing.T) {
	for name, start := range contracts {
		t.Run(name, func(t *testing.T) { testParametersUI(t, start(t)) })
	}
}

func testParametersUI(t *testing.T, s *server) {
	t.Helper()
	repo := copyRepository(t, "")
	a := applicationOf("dev")
	first := s.parameters(t, repo, a)
	if len(first) == 0 {
		t.Fatal("no parameter is announced")
	}
	seen := map[string]bool{}
	for _, p := range first {
		if p.Name == "" {
			t.Errorf("an announcement without a name: %v", p)
		}
		if seen[p.Name] {
			t.Errorf("%s: announced twice, the second one would never be shown", p.Name)
		}
		seen[p.Name] = true
		if p.Title == "" {
			t.Errorf("%s: no title", p.Name)
		}
		switch p.CollectionType {
		case "", "string":
			if len(p.Array) > 0 || len(p.Map) > 0 {
				t.Errorf("%s: a string with a default of another type", p.Name)
			}
		case "array":
			if p.String_ != "" || len(p.Map) > 0 {
				t.Errorf("%s: an array with a default of another type", p.Name)
			}
		case "map":
			if p.String_ != "" || len(p.Array) > 0 {
				t.Errorf("%s: a map with a default of another type", p.Name)
			}
		default:
			t.Errorf("%s: the user interface does not know the collectionType %q", p.Name, p.CollectionType)
		}
	}
	for _, p := range a.params {
		if !seen[p.Name] {
			t.Errorf("%s: the ApplicationSets set it and it is not announced", p.Name)
		}
	}

	second := s.parameters(t, repo, a)
	if len(first) != len(second) {
		t.Fatalf("%d announcements, then %d", len(first), len(second))
	}
	for i := range first {
		if diff := gocmp.Diff(first[i].String(), second[i].String()); diff != "" {
			t.Errorf("announcement %d is another one the second time:\n%s", i, diff)
		}
	}

	// Argo CD caches announcements by source, without the Application's name: they must not depend on it.
	other := a
	other.name = "argocd_another"
	for i, p := range s.parameters(t, repo, other) {
		if i >= len(first) || p.String() != first[i].String() {
			t.Errorf("announcement %d depends on the name of the Application", i)
			break
		}
	}
}
