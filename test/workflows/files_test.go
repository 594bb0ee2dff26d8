package workflows

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestContributing: every target of the Makefile has a help text and a place
// in the guide, and the guide has no others.
func TestContributing(t *testing.T) {
	makefile := text(t, filepath.Join(repository, "Makefile"))
	var targets, documented []string
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: ([a-z0-9-]+)$`).FindAllStringSubmatch(makefile, -1) {
		targets = append(targets, m[1])
		if !regexp.MustCompile(`(?m)^` + m[1] + `:.*## \S`).MatchString(makefile) {
			t.Errorf("make help does not show %s", m[1])
		}
	}
	_, table, _ := strings.Cut(text(t, filepath.Join(repository, "CONTRIBUTING.md")), "## Targets\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(line, "| `") {
			for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(first, -1) {
				documented = append(documented, m[1])
			}
		}
	}
	slices.Sort(targets)
	slices.Sort(documented)
	if len(targets) < 15 || !slices.Equal(targets, documented) {
		t.Errorf("the Makefile has\n%v\nCONTRIBUTING.md has\n%v", targets, documented)
	}
}

var (
	release = regexp.MustCompile(`^## \[?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)\]?(?: - (\d{4}-\d{2}-\d{2}))?$`)
	kinds   = []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
)

// wrong lists where a changelog is not in the form of Keep a Changelog.
func wrong(changelog string) []string {
	var out, versions []string
	section, kind, entries := "", "", 0
	end := func() {
		if section != "" && kind != "" && entries == 0 {
			out = append(out, section+", "+kind+": nothing in it")
		}
	}
	for line := range strings.Lines(changelog) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			end()
			section, kind, entries = line, "", 0
			m := release.FindStringSubmatch(line)
			switch {
			case line == "## Unreleased" && len(versions) == 0:
			case m == nil:
				out = append(out, line+": neither a version nor Unreleased at the top")
			case slices.Contains(versions, m[1]):
				out = append(out, line+": twice")
			default:
				versions = append(versions, m[1])
			}
		case strings.HasPrefix(line, "### "):
			end()
			kind, entries = strings.TrimPrefix(line, "### "), 0
			if !slices.Contains(kinds, kind) || section == "" {
				out = append(out, line+": not one of "+strings.Join(kinds, ", "))
			}
		case strings.HasPrefix(line, "- "):
			if entries++; kind == "" {
				out = append(out, line+": outside of a section")
			}
		}
	}
	end()
	if section == "" {
		out = append(out, "no section")
	}
	return out
}

func TestChangelogs(t *testing.T) {
	for _, name := range []string{"CHANGELOG.md", "charts/core-pipeline/CHANGELOG.md"} {
		changelog := text(t, filepath.Join(repository, name))
		for _, w := range wrong(changelog) {
			t.Errorf("%s: %s", name, w)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(changelog, -1) {
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, bad := range []string{
		"", "## 1.0\n", "## 1.0.0\n### New\n- a\n", "## 1.0.0\n### Added\n", "## 1.0.0\n- a\n",
		"## 1.0.0\n### Added\n- a\n## Unreleased\n", "## 1.0.0\n### Added\n- a\n## 1.0.0\n### Added\n- a\n", "## 1.0.0 - 2026-1-1\n### Added\n- a\n",
	} {
		if len(wrong(bad)) == 0 {
			t.Errorf("%q passes", bad)
		}
	}
}

// TestCommunityFiles: links and paths of the files beside the README are
// there, and what tools read is in a form that they can read.
func TestCommunityFiles(t *testing.T) {
	for _, name := range []string{"CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"} {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text(t, filepath.Join(repository, name)), -1) {
			if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for line := range strings.Lines(text(t, filepath.Join(repository, ".github/CODEOWNERS"))) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" && f[0] != "*" {
			if _, err := os.Stat(filepath.Join(repository, f[0])); err != nil || len(f) != 2 || f[1] != "@OWNER" {
				t.Errorf("CODEOWNERS: %q: %v", strings.TrimSpace(line), err)
			}
		}
	}
	var container struct{ Image string }
	if err := json.Unmarshal([]byte(text(t, filepath.Join(repository, ".devcontainer/devcontainer.json"))), &container); err != nil || !strings.HasSuffix(container.Image, "/go:1.26") {
		t.Errorf("devcontainer.json: %q %v", container.Image, err)
	}
	forms, err := filepath.Glob(filepath.Join(repository, ".github/ISSUE_TEMPLATE/*.yml"))
	if err != nil || len(forms) != 3 {
		t.Fatal(forms, err)
	}
	for _, file := range append(forms, filepath.Join(repository, ".github/dependabot.yml")) {
		var form map[string]any
		if err := yaml.UnmarshalStrict([]byte(text(t, file)), &form); err != nil || len(form) == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestPreCommit runs the hook that has a script, with a good and a bad file,
// and holds the others to targets that there are.
func TestPreCommit(t *testing.T) {
	var config struct {
		Repos []struct {
			Hooks []struct{ ID, Entry, Files string }
		}
	}
	if err := yaml.Unmarshal([]byte(text(t, filepath.Join(repository, ".pre-commit-config.yaml"))), &config); err != nil || len(config.Repos) != 1 {
		t.Fatal(config, err)
	}
	for _, hook := range config.Repos[0].Hooks {
		if target, ok := strings.CutPrefix(hook.Entry, "make "); ok {
			if !strings.Contains(text(t, filepath.Join(repository, "Makefile")), "\n"+target+": ") {
				t.Errorf("%s: make %s: no such target", hook.ID, target)
			}
			if _, err := regexp.Compile(hook.Files); err != nil || hook.Files == "" {
				t.Errorf("%s: %v", hook.ID, err)
			}
			continue
		}
		for source, good := range map[string]bool{"package a\n": true, "package  a\n": false} {
			file := filepath.Join(t.TempDir(), "a b.go")
			if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			err := exec.CommandContext(t.Context(), "sh", "-c", hook.Entry+` "$1"`, "sh", file).Run()
			if (err == nil) != good {
				t.Errorf("%s: %q: %v", hook.ID, source, err)
			}
		}
	}
}

// TestGoVersion: one Go for workflows, image and module.
func TestGoVersion(t *testing.T) {
	version := strings.TrimSpace(text(t, filepath.Join(repository, ".go-version")))
	if !regexp.MustCompile(`^1\.26\.\d+$`).MatchString(version) || !strings.Contains(text(t, filepath.Join(repository, "go.mod")), "\ngo 1.26.0\n") || !strings.Contains(text(t, filepath.Join(repository, "Dockerfile")), "FROM golang:1.26 ") {
		t.Errorf(".go-version says %s; go.mod and Dockerfile say 1.26?", version)
	}
}
