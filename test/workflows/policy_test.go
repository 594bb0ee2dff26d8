package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const repository = "../.."

type workflow struct {
	Name        string
	On          map[string]any `json:"on"`
	Permissions map[string]string
	Concurrency map[string]any
	Env         map[string]string
	Defaults    struct{ Run struct{ Shell string } }
	Jobs        map[string]job
}

type job struct {
	If             string
	Permissions    map[string]string
	TimeoutMinutes int `json:"timeout-minutes"`
	Environment    string
	Env            map[string]string
	Steps          []step
}

type step struct {
	Name, Uses, Run, If string
	With                map[string]any
	Env                 map[string]string
}

// load reads all workflows by file name. The parser takes the key `on` for a
// boolean, as YAML 1.1 does, which is undone before.
func load(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, ".github/workflows/*"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	out := map[string]workflow{}
	for _, file := range files {
		out[filepath.Base(file)] = parse(t, text(t, file))
	}
	return out
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t *testing.T, text string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(strings.Replace(text, "\non:", "\n\"on\":", 1)), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

var pinned = regexp.MustCompile(`^\s*-? *uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

// broken lists what a workflow does against the rules.
func broken(text string, w workflow) []string {
	var out []string
	say := func(where, what string) { out = append(out, where+": "+what) }
	for line := range strings.Lines(text) {
		if strings.Contains(line, "uses:") && !pinned.MatchString(strings.TrimRight(line, "\n")) {
			say(strings.TrimSpace(line), "not pinned by commit, with the version in a comment")
		}
	}
	if w.Permissions == nil || len(w.Permissions) != 0 {
		say("workflow", "permissions are given to jobs: say permissions: {}")
	}
	if w.Concurrency["group"] == nil || w.Concurrency["cancel-in-progress"] == nil {
		say("workflow", "no concurrency with group and cancel-in-progress")
	}
	if w.Defaults.Run.Shell != "bash" {
		say("workflow", "a shell that is not named ignores what fails in front of a pipe: say shell: bash")
	}
	_, target := w.On["pull_request_target"]
	_, after := w.On["workflow_run"]
	_, request := w.On["pull_request"]
	if target {
		say("workflow", "pull_request_target runs with the rights of the base")
	}
	for name, j := range w.Jobs {
		if j.TimeoutMinutes == 0 || j.TimeoutMinutes > 90 {
			say(name, "no timeout of at most 90 minutes")
		}
		if j.Permissions == nil {
			say(name, "no permissions")
		}
		for scope, level := range j.Permissions {
			if level == "write" && request {
				say(name, "may write "+scope+" while it runs code of a pull request")
			}
			if scope == "id-token" && j.Environment == "" {
				say(name, "can sign without an environment that protects it")
			}
		}
		for _, s := range j.Steps {
			where := name + "/" + s.Name + s.Uses
			checkout := strings.HasPrefix(s.Uses, "actions/checkout@")
			if strings.Contains(s.Run, "${{") {
				say(where, "an expression in a script; pass it by env")
			}
			if checkout && s.With["persist-credentials"] != false {
				say(where, "checkout keeps its token")
			}
			if after && (checkout || strings.Contains(s.Run, "make ")) {
				say(where, "runs code with the rights of workflow_run")
			}
			if j.Permissions["id-token"] == "write" && (strings.HasPrefix(s.Uses, "actions/cache@") || strings.HasPrefix(s.Uses, "actions/setup-go@") && s.With["cache"] != false) {
				say(where, "a job that signs takes a cache")
			}
		}
	}
	return out
}

func TestPolicy(t *testing.T) {
	for name, w := range load(t) {
		for _, b := range broken(text(t, filepath.Join(repository, ".github/workflows", name)), w) {
			t.Errorf("%s: %s", name, b)
		}
	}
}

// TestPolicyCanFail breaks every rule, one at a time.
func TestPolicyCanFail(t *testing.T) {
	release := text(t, filepath.Join(repository, ".github/workflows/release.yml"))
	for name, change := range map[string][2]string{
		"a tag for a commit":   {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"},
		"no version":           {"90b1 # v7.0.1", "90b1"},
		"top permissions":      {"\npermissions: {}", "\npermissions: {contents: read}"},
		"no concurrency":       {"cancel-in-progress: false", "cancel: false"},
		"no shell":             {"shell: bash", "shell: sh"},
		"no timeout":           {"timeout-minutes: 45", "timeout-minutes: 0"},
		"no permissions":       {"    permissions: {contents: read}\n", ""},
		"an expression":        {"cp \"$RUNNER_TEMP/notes.md\"", "cp ${{ github.event.head_commit.message }}"},
		"a kept token":         {"persist-credentials: false", "persist-credentials: true"},
		"a cache":              {"cache: false", "cache: true"},
		"no environment":       {"    environment: release\n", ""},
		"pull_request_target":  {"push: {tags", "pull_request_target: {tags"},
		"writes for a request": {"push: {tags", "pull_request: {tags"},
		"workflow_run":         {"push: {tags", "workflow_run: {tags"},
	} {
		changed := strings.ReplaceAll(release, change[0], change[1])
		if changed == release {
			t.Errorf("%s: nothing to change", name)
		} else if len(broken(changed, parse(t, changed))) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

var makeTarget = regexp.MustCompile(`make (?:--silent )?((?:[a-z0-9-]+ ?)+)`)

// TestTargets: what the workflows make is in the Makefile, and what .ci/run
// makes is in a workflow.
func TestTargets(t *testing.T) {
	makefile := text(t, filepath.Join(repository, "Makefile"))
	all := ""
	for name, w := range load(t) {
		all += text(t, filepath.Join(repository, ".github/workflows", name))
		for _, j := range w.Jobs {
			for _, s := range j.Steps {
				for _, m := range makeTarget.FindAllStringSubmatch(s.Run, -1) {
					for target := range strings.FieldsSeq(m[1]) {
						if !strings.Contains(makefile, "\n"+target+": ") {
							t.Errorf("%s: make %s: no such target", name, target)
						}
					}
				}
			}
		}
	}
	for _, m := range makeTarget.FindAllStringSubmatch(text(t, filepath.Join(repository, ".ci/run")), -1) {
		target := strings.TrimSpace(m[1])
		if !regexp.MustCompile(`make [a-z -]*\b` + target + `\b|[\[ ]` + target + `[,\]]`).MatchString(all) {
			t.Errorf("no workflow makes %s", target)
		}
	}
}

// TestVerbs: what workflows ask of core-pipeline, the program of this checkout
// knows, with every flag.
func TestVerbs(t *testing.T) {
	program := filepath.Join(t.TempDir(), "core-pipeline")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, repository+"/cmd/core-pipeline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := 0
	for name, w := range load(t) {
		for _, j := range w.Jobs {
			for _, s := range j.Steps {
				for _, call := range regexp.MustCompile(`bin/core-pipeline((?: [a-z]+)+)([^|>&)\n]*)`).FindAllStringSubmatch(s.Run, -1) {
					found++
					out, err := exec.CommandContext(t.Context(), program, append(strings.Fields(call[1]), "--help")...).CombinedOutput()
					if err != nil {
						t.Errorf("%s: core-pipeline%s: %v\n%s", name, call[1], err, out)
					}
					for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(call[2], -1) {
						if !strings.Contains(string(out), flag+" ") && !strings.Contains(string(out), flag+",") {
							t.Errorf("%s: core-pipeline%s has no %s", name, call[1], flag)
						}
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no workflow runs core-pipeline")
	}
}
