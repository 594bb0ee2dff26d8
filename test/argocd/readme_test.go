package argocd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// TestReadmeNamesFiles: every path and component in the guide is there, and
// every component is in the list of the kustomization that takes it.
func TestReadmeNamesFiles(t *testing.T) {
	readme := string(read(t, "README.md"))
	for _, m := range quoted.FindAllStringSubmatch(readme, -1) {
		name := strings.TrimPrefix(m[1], "argocd/")
		if !strings.Contains(name, "/") || strings.ContainsAny(name, " <.") && !strings.HasSuffix(name, ".yaml") || strings.Contains(name, "<") || strings.HasPrefix(name, "core-pipeline.io") {
			continue
		}
		if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
			t.Errorf("the guide names %s: %v", m[1], err)
		}
	}
	listed := string(read(t, "kustomization.yaml")) + string(read(t, "install/kustomization.yaml"))
	components, err := os.ReadDir(filepath.Join(directory, "install/components"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range components {
		if !regexp.MustCompile(`components/` + c.Name() + `\s`).MatchString(listed) {
			t.Errorf("no kustomization lists %s", c.Name())
		}
	}
}

// commit puts everything into a repository of its own.
func commit(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", "git init -q -b main && git add -A && git commit -qm all")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

var ownCommand = regexp.MustCompile(`(?m)^ +(core-pipeline .*)$`)

// TestReadmeCommands types what the guide says, one after the other, in a copy
// in which OWNER is replaced as its first step demands.
func TestReadmeCommands(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/core-pipeline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, part := range []string{"argocd", chart} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS("../../"+part)); err != nil {
			t.Fatal(err)
		}
	}
	walk(t, func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "argocd", name), []byte(strings.ReplaceAll(text, "OWNER", "acme")), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	lines := ownCommand.FindAllStringSubmatch(string(read(t, "README.md")), -1)
	if len(lines) != 6 {
		t.Fatalf("the guide has %d commands", len(lines))
	}
	outputs := map[string]string{}
	for _, m := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-euc", m[1])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if strings.HasPrefix(m[1], "core-pipeline promote ") {
			commit(t, dir) // what the guide says so far
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", m[1], err, out)
		}
		outputs[m[1]] = string(out)
	}
	if got := outputs["core-pipeline promote dev staging"]; !strings.Contains(got, "argocd/envs/staging/release.yaml\n  tag     1.0.0 -> 1.1.0\n") {
		t.Errorf("promote prints:\n%s", got)
	}
	if got := strings.Count(outputs["core-pipeline preview"], "\ncore-pipeline-"); got != 4 {
		t.Errorf("preview lists %d Applications", got)
	}
	added, err := os.ReadFile(filepath.Join(dir, "argocd/clusters/prod-eu-2.yaml"))
	if err != nil || !strings.Contains(string(added), `core-pipeline.io/enabled: "false"`) {
		t.Errorf("after cluster remove, %v, it is:\n%s", err, added)
	}
}
