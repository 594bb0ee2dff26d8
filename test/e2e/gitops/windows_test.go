package gitops

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/app/path"
)

// sleepUntil moves the clock of the bubble, which begins on Saturday, January
// 1st of 2000, to a time in Berlin.
func sleepUntil(t *testing.T, text string) {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(at))
}

// TestT07Window walks through a week with the window of prod.
func TestT07Window(t *testing.T) {
	app := generated(t, examples(t)...)["core-pipeline-prod-eu-1"]
	windows := projects(t)["core-pipeline-prod"].Spec.SyncWindows.Matches(&app)
	if windows == nil {
		t.Fatal("no window matches the Application of prod")
	}
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			at      string
			allowed bool
		}{
			{"2000-01-07 15:59", true}, // a Friday
			{"2000-01-07 16:01", false},
			{"2000-01-08 12:00", false},
			{"2000-01-10 07:59", false},
			{"2000-01-10 08:01", true},
			{"2000-07-07 15:59", true}, // in summer, when UTC is two hours behind
			{"2000-07-07 16:01", false},
			{"2000-07-10 08:01", true},
		} {
			sleepUntil(t, c.at)
			for manual, want := range map[bool]bool{false: c.allowed, true: true} {
				if got, err := windows.CanSync(manual, nil); err != nil || got != want {
					t.Errorf("%s, by hand %v: %v, %v", c.at, manual, got, err)
				}
			}
		}
		// A rollout that began on Friday afternoon goes on.
		sleepUntil(t, "2000-07-14 15:30")
		began := time.Now()
		sleepUntil(t, "2000-07-14 16:30")
		if got, err := windows.CanSync(false, &began); err != nil || !got {
			t.Errorf("a rollout is cut off: %v", err)
		}
	})
}

// TestT07WindowsMatchNames: an Application with the URL of its cluster would
// slip through, and the other environments have no window.
func TestT07WindowsMatchNames(t *testing.T) {
	for name, app := range generated(t, examples(t)...) {
		matched := projects(t)["core-pipeline-prod"].Spec.SyncWindows.Matches(&app) != nil
		if matched != (name == "core-pipeline-prod-eu-1") {
			t.Errorf("%s: %v", name, matched)
		}
		app.Spec.Destination.Server, app.Spec.Destination.Name = "https://prod-eu-1.invalid", ""
		if projects(t)["core-pipeline-prod"].Spec.SyncWindows.Matches(&app) != nil {
			t.Errorf("%s: Argo CD resolves the server now: the rule can go", name)
		}
	}
}

// TestT18RolloutsAreAutomated: the controller marks its syncs as automated, so
// that a window with manualSync stops them.
func TestT18RolloutsAreAutomated(t *testing.T) {
	app := generated(t, examples(t)...)["core-pipeline-prod-eu-1"]
	windows := projects(t)["core-pipeline-prod"].Spec.SyncWindows.Matches(&app)
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2000-01-08 12:00")
		for _, o := range begin(t).operations {
			if ok, err := windows.CanSync(!o.InitiatedBy.Automated, nil); err != nil || ok {
				t.Errorf("%+v would not wait: %v", o.InitiatedBy, err)
			}
		}
	})
}

// TestT19PathsAreNotLimited: an Application that says which paths it is
// rendered from is not rendered for other commits. What a window held back is
// then synced without its hooks, or not at all. Ours says nothing.
func TestT19PathsAreNotLimited(t *testing.T) {
	_, bootstrap := root(t)
	apps := generated(t, examples(t)...)
	apps[bootstrap.Name] = *bootstrap
	for name, app := range apps {
		for _, source := range app.Spec.GetSources() {
			if paths := path.GetSourceRefreshPaths(&app, source); len(paths) > 0 {
				t.Errorf("%s is rendered for %v only", name, paths)
			}
			limited := app.DeepCopy()
			limited.Annotations = map[string]string{v1alpha1.AnnotationKeyManifestGeneratePaths: "."}
			if len(path.GetSourceRefreshPaths(limited, source)) == 0 {
				t.Errorf("%s: Argo CD does not read the annotation any more", name)
			}
		}
	}
}
