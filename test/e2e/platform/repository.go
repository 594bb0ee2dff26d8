package platform

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

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

// Values lays values over those in a file of the repository, key by key. Its comments go.
func (r Repository) Values(file, text string) error {
	var under, over map[string]any
	data, err := os.ReadFile(filepath.Join(r.Dir, file))
	if err == nil {
		err = yaml.Unmarshal(data, &under)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	if err := yaml.Unmarshal([]byte(text), &over); err != nil {
		return fmt.Errorf("reading values for %s: %w", file, err)
	}
	if data, err = yaml.Marshal(merged(under, over)); err != nil {
		return err
	}
	return r.Write(file, string(data))
}

func merged(under, over map[string]any) map[string]any {
	all := maps.Clone(under)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range over {
		a, below := all[key].(map[string]any)
		b, above := value.(map[string]any)
		if below && above {
			value = merged(a, b)
		}
		all[key] = value
	}
	return all
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
	return r.Head(ctx)
}

// Head is the revision of the working tree.
func (r Repository) Head(ctx context.Context) (string, error) {
	out, err := r.git(ctx, "rev-parse", "HEAD")
	return strings.TrimSpace(out), err
}

// Has says whether a revision has an earlier one, or is it.
func (r Repository) Has(ctx context.Context, revision, earlier string) bool {
	if revision == earlier || revision == "" {
		return revision == earlier
	}
	_, err := r.git(ctx, "merge-base", "--is-ancestor", earlier, revision)
	return err == nil
}

// Restore makes the working tree what it was at a revision, without committing it. It says whether that is a change.
func (r Repository) Restore(ctx context.Context, revision string) (bool, error) {
	if _, err := r.git(ctx, "read-tree", "-u", "--reset", revision); err != nil {
		return false, err
	}
	if _, err := r.git(ctx, "clean", "-fdq"); err != nil {
		return false, err
	}
	out, err := r.git(ctx, "diff", "--cached", "--name-only", "HEAD")
	return out != "", err
}

// RestoreFiles makes files in the working tree what they were at a revision, without committing it. It says whether that is
// a change.
func (r Repository) RestoreFiles(ctx context.Context, revision string, files ...string) (bool, error) {
	if _, err := r.git(ctx, append([]string{"checkout", "-q", revision, "--"}, files...)...); err != nil {
		return false, err
	}
	out, err := r.git(ctx, append([]string{"diff", "--cached", "--name-only", "HEAD", "--"}, files...)...)
	return out != "", err
}

// Revert undoes a commit in the working tree, without committing that.
func (r Repository) Revert(ctx context.Context, revision string) error {
	_, err := r.git(ctx, "revert", "--no-commit", revision)
	return err
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
