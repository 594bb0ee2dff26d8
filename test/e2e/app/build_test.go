package app

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// TestLockFile holds the lock file to what a machine behind any registry can install: no address in it, and a sum for
// every package. npm asks the registry that it is configured with for the address, and holds the package to the sum.
func TestLockFile(t *testing.T) {
	data, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Resolved, Integrity string }
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	if len(lock.Packages) < 100 {
		t.Fatalf("the lock file has %d packages", len(lock.Packages))
	}
	sum := regexp.MustCompile(`^sha512-[A-Za-z0-9+/]{86}==$`)
	for name, p := range lock.Packages {
		if name == "" {
			continue
		}
		if p.Resolved != "" {
			t.Errorf("%s is tied to %s", name, p.Resolved)
		}
		if !sum.MatchString(p.Integrity) {
			t.Errorf("%s has no sum: %q", name, p.Integrity)
		}
	}
}
