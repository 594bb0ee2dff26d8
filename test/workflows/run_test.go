package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// place is a clone with an origin, and stand-ins for gh and for the program
// whose verbs have tests of their own.
type place struct {
	dir, bin, temp string
	env            []string
}

func newPlace(t *testing.T) place {
	t.Helper()
	root := t.TempDir()
	p := place{dir: filepath.Join(root, "clone"), bin: filepath.Join(root, "bin"), temp: filepath.Join(root, "temp")}
	for _, dir := range []string{p.dir, p.bin, p.temp} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"argocd/envs", ".github"} {
		if err := os.CopyFS(filepath.Join(p.dir, part), os.DirFS(filepath.Join(repository, part))); err != nil {
			t.Fatal(err)
		}
	}
	p.write(t, filepath.Join(p.dir, ".gitignore"), "/bin/\n/preview/\n/comment.md\n")
	p.write(t, filepath.Join(p.bin, "gh"), "#!/bin/sh\necho \"$*\" >> \"$GH_LOG\"\ncase \"$1 $2\" in\n'pr list') grep -c '^pr create' \"$GH_LOG\" || true ;;\n'api repos/o/r/pulls/7') echo \"$PULL_HEAD\" ;;\nesac\n")
	// make build puts the program into bin/; here, one that does what the step needs of it.
	p.write(t, filepath.Join(p.bin, "make"), "#!/bin/sh\nmkdir -p bin\ncp \"$STAND_IN\" bin/core-pipeline\n")
	p.env = []string{
		"PATH=" + p.bin + ":" + os.Getenv("PATH"), "HOME=" + root, "RUNNER_TEMP=" + p.temp, "GH_LOG=" + filepath.Join(root, "gh.log"),
		"GITHUB_OUTPUT=" + filepath.Join(root, "output"), "GITHUB_REPOSITORY=o/r", "GH_TOKEN=t", "STAND_IN=" + filepath.Join(p.bin, "stand-in"),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	p.sh(t, `git init -q -b main && git add -A && git commit -qm start && git clone -q --bare . "$HOME/origin" && git remote add origin "$HOME/origin" && git fetch -q`)
	return p
}

func (p place) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (p place) try(t *testing.T, script string, env ...string) (string, error) {
	t.Helper()
	// GitHub runs a script so where a workflow says shell: bash, which TestPolicy wants.
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = p.dir, slices.Concat(p.env, env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p place) sh(t *testing.T, script string, env ...string) string {
	t.Helper()
	out, err := p.try(t, script, env...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// steps runs every script of a job.
func (p place) steps(t *testing.T, file, name string, env ...string) {
	t.Helper()
	count := 0
	for _, s := range load(t)[file].Jobs[name].Steps {
		if s.Run != "" {
			p.sh(t, s.Run, env...)
			count++
		}
	}
	if count == 0 {
		t.Fatalf("%s/%s has no scripts", file, name)
	}
}

func (p place) log(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(p.dir), "gh.log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

// TestPreview: the difference of a branch goes into an artifact, and from
// there into a comment, whatever text it has.
func TestPreview(t *testing.T) {
	p := newPlace(t)
	p.write(t, filepath.Join(p.bin, "stand-in"), "#!/bin/sh\ncat argocd/envs/*/release.yaml\n")
	base := strings.TrimSpace(p.sh(t, "git rev-parse HEAD"))
	p.sh(t, `git switch -qc change && printf '  pullPolicy: "~~~~ $(touch owned) @someone"\n' >> argocd/envs/dev/release.yaml && git commit -qam change`)
	head := strings.TrimSpace(p.sh(t, "git rev-parse HEAD"))
	p.steps(t, "preview.yml", "preview", "BASE="+base, "NUMBER=7")
	diff := p.sh(t, "cat preview/diff")
	if strings.Count(diff, "\n+") != 2 || !strings.Contains(diff, "+  pullPolicy") { // with the line +++
		t.Errorf("the difference is:\n%s", diff)
	}

	p.steps(t, "preview-comment.yml", "comment", "HEAD_SHA="+head, "PULL_HEAD="+head)
	comment := p.sh(t, "cat comment.md")
	if strings.Count(comment, "~~~") != 2 || !strings.Contains(comment, "+  pullPolicy") || !strings.Contains(comment, "1 lines change") {
		t.Errorf("the comment is:\n%s", comment)
	}
	if !strings.Contains(p.log(t), "pr comment 7 --repo o/r") {
		t.Errorf("gh got:\n%s", p.log(t))
	}
	if _, err := os.Stat(filepath.Join(p.dir, "owned")); err == nil {
		t.Error("text of the pull request was run")
	}

	// What makes the text longer does not make the comment longer than GitHub takes, 65,536 characters.
	p.write(t, filepath.Join(p.dir, "preview/diff"), strings.Repeat("+~~~~~\n", 12_000))
	p.sh(t, load(t)["preview-comment.yml"].Jobs["comment"].Steps[1].Run, "HEAD_SHA="+head, "PULL_HEAD="+head)
	if comment := p.sh(t, "cat comment.md"); len(comment) > 65_000 || len(comment) < 60_000 || !strings.Contains(comment, "Cut at 60,000 bytes") {
		t.Errorf("a long difference gives a comment of %d bytes", len(comment))
	}

	// Another pull request's number, or none, gets no comment.
	before := strings.Count(p.log(t), "pr comment")
	p.steps(t, "preview-comment.yml", "comment", "HEAD_SHA="+head, "PULL_HEAD="+base)
	script := load(t)["preview-comment.yml"].Jobs["comment"].Steps[1].Run
	for _, number := range []string{"", "7; touch owned", "../1", "-1"} {
		p.write(t, filepath.Join(p.dir, "preview/number"), number+"\n")
		if out, err := p.try(t, script, "HEAD_SHA="+head, "PULL_HEAD="+head); err == nil {
			t.Errorf("number %q passes:\n%s", number, out)
		}
	}
	if after := strings.Count(p.log(t), "pr comment"); after != before {
		t.Errorf("%d comments too many", after-before)
	}
}
