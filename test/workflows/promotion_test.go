package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// yq builds the program that docs/promotion.md speaks of, at the version that
// the Makefile names.
func yq(t *testing.T, bin string) {
	t.Helper()
	version := regexp.MustCompile(`(?m)^YQ_VERSION +:= (v4\S+)$`).FindStringSubmatch(text(t, filepath.Join(repository, "Makefile")))
	if version == nil {
		t.Fatal("the Makefile names no version of yq")
	}
	cmd := exec.CommandContext(t.Context(), "go", "install", "github.com/mikefarah/yq/v4@"+version[1])
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

var (
	shell  = regexp.MustCompile("(?s)\n```(sh|text)\n(.*?)```\n")
	pushes = regexp.MustCompile(`^git push origin (\S+)$`)
)

// TestT27Guide types what docs/promotion.md says, line by line: an image goes
// to prod by commits alone, and nothing but its two texts changes. What a
// review does is done here: a branch that was pushed is merged.
func TestT27Guide(t *testing.T) {
	p := newPlace(t)
	program, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, filepath.Join(p.bin, "core-pipeline"), string(program))
	yq(t, p.bin)
	p.sh(t, "git branch -q --set-upstream-to origin/main")
	printed, promotions, shown := "", 0, false
	for _, block := range shell.FindAllStringSubmatch(text(t, filepath.Join(repository, "docs/promotion.md")), -1) {
		if block[1] == "text" {
			shown = printed == block[2]
			if !shown {
				t.Errorf("promote prints\n%s\nand the page says\n%s", printed, block[2])
			}
			continue
		}
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			out := p.sh(t, line)
			if m := pushes.FindStringSubmatch(line); m != nil {
				p.sh(t, "git push -q origin "+m[1]+":main")
			}
			if strings.HasPrefix(line, "core-pipeline promote ") {
				printed = out
				promotions++
				if got := p.sh(t, "git diff --numstat"); !strings.HasPrefix(got, "2\t2\targocd/envs/") || strings.Count(got, "\n") != 1 {
					t.Errorf("%s changes:\n%s", line, got)
				}
			}
		}
	}
	if promotions != 2 || !shown {
		t.Errorf("%d promotions, the page shows what one prints: %v", promotions, shown)
	}
	// Before the edits by hand, prod was taken back: the last commit has what was there at first.
	if out := p.sh(t, "git diff main~3 HEAD --stat -- argocd/envs/prod"); out != "" {
		t.Errorf("prod differs from where it was:\n%s", out)
	}
	if out := p.sh(t, "git show HEAD~1:argocd/envs/prod/release.yaml | grep -c 1.2.0"); out != "1\n" {
		t.Errorf("prod did not run the image before: %s", out)
	}
	// The edits by hand are the same as those of the program.
	byHand := p.sh(t, "cat argocd/envs/*/release.yaml")
	const digest = "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
	p.sh(t, "git checkout -q . && for e in dev staging prod; do core-pipeline image set --env $e --tag 1.3.0 --digest "+digest+"; done")
	if want := p.sh(t, "cat argocd/envs/*/release.yaml"); byHand != want {
		t.Errorf("yq and sed make\n%s\nthe program makes\n%s", byHand, want)
	}
	// What gh is asked for, the workflows take.
	log := p.log(t)
	for _, want := range []string{"workflow run promote.yml -f from=dev -f to=staging", "event_type=image-published -f client_payload[tag]=1.2.0 -f client_payload[digest]=sha256:"} {
		if !strings.Contains(log, want) {
			t.Errorf("gh got:\n%s", log)
		}
	}
	inputs := load(t)
	if _, ok := inputs["promote.yml"].On["workflow_dispatch"]; !ok {
		t.Error("promote.yml cannot be started")
	}
	if dispatch, _ := inputs["image-bump.yml"].On["repository_dispatch"].(map[string]any); !strings.Contains(strings.Join(words(dispatch["types"]), " "), "image-published") {
		t.Errorf("image-bump.yml is started by %v", dispatch)
	}
}

func words(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, e := range list {
		word, _ := e.(string)
		out = append(out, word)
	}
	return out
}
