package platform

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// name is the repository's on github.com.
const name = images.Owner + "/core-pipeline-deploy"

// Repository is a working tree of the repository that Argo CD follows. Commit is how anything changes.
type Repository struct{ Dir string }

// checkOut copies what Argo CD reads from this checkout and replaces what a user replaces.
func (p *Platform) checkOut(ctx context.Context) error {
	root, err := programs.Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(p.Dir, "deploy")
	p.Repository = Repository{Dir: dir}
	for _, part := range []string{"argocd", "charts"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			return err
		}
	}
	// The Go package beside the manifests is no part of what a user copies.
	if err := os.RemoveAll(filepath.Join(dir, "argocd", "fleet")); err != nil {
		return err
	}
	err = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(at)
		if err != nil || !bytes.Contains(data, []byte("OWNER")) {
			return err
		}
		return os.WriteFile(at, bytes.ReplaceAll(data, []byte("OWNER"), []byte(images.Owner)), 0o644)
	})
	if err != nil {
		return err
	}
	if err := p.Repository.openWindow(time.Now()); err != nil {
		return err
	}
	clusters, err := filepath.Glob(filepath.Join(dir, "argocd", "clusters", "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range clusters {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"config", "user.name", "e2e"}, {"config", "user.email", "e2e@example.invalid"}} {
		if _, err := p.Repository.git(ctx, args...); err != nil {
			return err
		}
	}
	bare := p.Config.Repository(name)
	if _, err := programs.Run(ctx, dir, os.Environ(), "git", "init", "-q", "--bare", "-b", "main", bare); err != nil {
		return err
	}
	_, err = p.Repository.git(ctx, "remote", "add", "origin", bare)
	return err
}

// openWindow moves the deny window of prod, which is two days and sixteen hours from a Friday on, to begin the day after
// tomorrow: a run at a weekend is to deliver, too.
func (r Repository) openWindow(now time.Time) error {
	day := (int(now.UTC().Weekday()) + 2) % 7
	return r.Edit(filepath.Join("argocd", "projects", "prod.yaml"), `schedule: 0 16 \* \* 5\n(\s+)duration: 64h`, fmt.Sprintf("schedule: 0 16 * * %d\n${1}duration: 64h", day))
}

// Edit replaces what a pattern matches in a file of the repository. It has to match.
func (r Repository) Edit(file, pattern, replacement string) error {
	return replace(filepath.Join(r.Dir, file), pattern, replacement)
}

func replace(file, pattern, replacement string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	if !re.Match(data) {
		return fmt.Errorf("%s has nothing like %s", file, pattern)
	}
	return os.WriteFile(file, re.ReplaceAll(data, []byte(replacement)), 0o644)
}

// Write writes a file of the repository.
func (r Repository) Write(file, text string) error {
	at := filepath.Join(r.Dir, file)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(text), 0o644)
}

// Commit commits everything in the working tree, pushes it, and returns the revision.
func (r Repository) Commit(ctx context.Context, message string) (string, error) {
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", message}, {"push", "-q", "origin", "main"}} {
		if _, err := r.git(ctx, args...); err != nil {
			return "", err
		}
	}
	out, err := r.git(ctx, "rev-parse", "HEAD")
	return strings.TrimSpace(out), err
}

func (r Repository) git(ctx context.Context, args ...string) (string, error) {
	return programs.Run(ctx, r.Dir, os.Environ(), "git", args...)
}

// SetRelease writes what automation writes: the tag and digest of an environment's release.
func (r Repository) SetRelease(environment, tag, digest string) error {
	file := filepath.Join("argocd", "envs", environment, "release.yaml")
	if err := r.Edit(file, `(?m)^  tag: .*$`, fmt.Sprintf(`  tag: %q`, tag)); err != nil {
		return err
	}
	return r.Edit(file, `(?m)^  digest: .*$`, fmt.Sprintf(`  digest: %q`, digest))
}
