package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// place is a clone with an origin, a stand-in for gh, and what the test says is the program
// of the clone.
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
	// make build puts the program into bin/.
	p.write(t, filepath.Join(p.bin, "make"), "#!/bin/sh\nmkdir -p bin\ncp \"$PROGRAM\" bin/core-pipeline\n")
	p.env = []string{
		"PATH=" + p.bin + ":" + os.Getenv("PATH"), "HOME=" + root, "RUNNER_TEMP=" + p.temp, "GH_LOG=" + filepath.Join(root, "gh.log"),
		"GITHUB_OUTPUT=" + filepath.Join(root, "output"), "GITHUB_REPOSITORY=o/r", "GH_TOKEN=t", "PROGRAM=" + filepath.Join(p.bin, "stand-in"),
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

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// TestPullRequests: an image and a promotion become one commit on a branch of
// their own, and one pull request; a second run with the same result no more.
func TestPullRequests(t *testing.T) {
	program := build(t)
	for file, c := range map[string]struct {
		job, branch, edits, summary string
		env                         []string
	}{
		"image-bump.yml": {"bump", "image/dev-9.9.9", "argocd/envs/dev/release.yaml", digestB, []string{"ENVIRONMENT=dev", "TAG=9.9.9", "DIGEST=" + digestB}},
		"promote.yml":    {"promote", "promote/dev-staging", "argocd/envs/staging/release.yaml", digestA, []string{"FROM=dev", "TO=staging"}},
	} {
		t.Run(file, func(t *testing.T) {
			p := newPlace(t)
			p.env = append(p.env, "PROGRAM="+program)
			p.sh(t, `make build && bin/core-pipeline image set --env dev --tag 8.8.8 --digest `+digestA+` && git commit -qam image && git push -q origin main`)
			p.steps(t, file, c.job, c.env...)
			log := p.log(t)
			if strings.Count(log, "pr create --head "+c.branch) != 1 {
				t.Errorf("gh got:\n%s", log)
			}
			if got := p.sh(t, "git diff --name-only main "+c.branch+"; git rev-list --count main.."+c.branch); got != c.edits+"\n1\n" {
				t.Errorf("the branch has:\n%s", got)
			}
			if got := p.sh(t, "git show "+c.branch+":"+c.edits); !strings.Contains(got, c.summary) {
				t.Errorf("the file is:\n%s", got)
			}
			if body := p.sh(t, `git ls-remote --heads origin`); !strings.Contains(body, "refs/heads/"+c.branch) {
				t.Errorf("origin has:\n%s", body)
			}
			if got := p.sh(t, `cat "$RUNNER_TEMP/summary"`); !strings.HasPrefix(got, c.edits+"\n") || !strings.Contains(got, "-> "+c.summary) {
				t.Errorf("the pull request says:\n%s", got)
			}
			// The next run starts from main, beside the branch that is there.
			p.sh(t, "git switch -q main && git branch -qD "+c.branch+" && git update-ref -d refs/remotes/origin/"+c.branch)
			p.steps(t, file, c.job, c.env...)
			if again := p.log(t); strings.Count(again, "pr create") != 1 || strings.Count(again, "auth setup-git") != 2 {
				t.Errorf("after the second run, gh got:\n%s", again)
			}
			p.sh(t, "git switch -q main && git merge -q "+c.branch)
			p.steps(t, file, c.job, c.env...)
			if again := p.log(t); strings.Count(again, "auth setup-git") != 2 {
				t.Errorf("where nothing changes, gh got:\n%s", again)
			}
		})
	}
}

// TestRefusingVerb: what the program refuses makes no pull request, and says
// why. The inputs of a repository_dispatch are anybody's who may send one.
func TestRefusingVerb(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "PROGRAM="+build(t))
	for _, c := range []struct {
		file, job, step, want string
		env                   []string
	}{
		{"promote.yml", "promote", "Promote", "from dev to prod skips staging", []string{"FROM=dev", "TO=prod"}},
		{"promote.yml", "promote", "Promote", "image.digest: is empty", []string{"FROM=dev", "TO=staging"}},
		{"image-bump.yml", "bump", "Set the image", "expected letters, digits", []string{"ENVIRONMENT=dev", "TAG=1;touch owned", "DIGEST=" + digestA}},
		{"image-bump.yml", "bump", "Set the image", "expected sha256:", []string{"ENVIRONMENT=dev", "TAG=1.0.0", "DIGEST=$(touch owned)"}},
		{"image-bump.yml", "bump", "Set the image", "--digest is empty", []string{"ENVIRONMENT=dev", "TAG=1.0.0", "DIGEST="}},
	} {
		// Another image, so that there would be something to promote; without a digest.
		p.sh(t, `make build && git checkout -q . && bin/core-pipeline image set --env dev --tag 7.7.7 && { git diff --quiet || git commit -qam image; }`)
		ran := false
		for _, s := range load(t)[c.file].Jobs[c.job].Steps {
			if s.Name == c.step {
				ran = true
				if out, err := p.try(t, s.Run, c.env...); err == nil || !strings.Contains(out, c.want) {
					t.Errorf("%s with %s: %v\n%s", c.step, c.env, err, out)
				}
			}
		}
		if out := p.sh(t, "git status --porcelain"); !ran || out != "" {
			t.Errorf("%s: ran: %v, the clone has:\n%s", c.step, ran, out)
		}
	}
}

// TestChartCheck: a change of a template does not pass without a version.
func TestChartCheck(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "PROGRAM="+build(t))
	if err := os.CopyFS(filepath.Join(p.dir, "charts"), os.DirFS(filepath.Join(repository, "charts"))); err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSpace(p.sh(t, "make build && git add -A && git commit -qm chart && git rev-parse HEAD"))
	script := ""
	for _, s := range load(t)["chart.yml"].Jobs["validate"].Steps {
		if strings.Contains(s.Run, "chart bump") {
			script = s.Run
		}
	}
	// As actions/checkout leaves it: no branch, and a merge of the pull request.
	merge := "git commit -qam change && git checkout -q --detach " + base + " && git merge -q --no-ff -m merge change"
	p.sh(t, "git switch -qc change && echo '# more' >> charts/core-pipeline/README.md && "+merge)
	p.sh(t, script, "BASE="+base)
	p.sh(t, "git switch -q change && echo '{{/* more */}}' >> charts/core-pipeline/templates/_helpers.tpl && "+merge)
	if out, err := p.try(t, script, "BASE="+base); err == nil || !strings.Contains(out, "is too low for a patch change") {
		t.Errorf("%v\n%s", err, out)
	}
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
