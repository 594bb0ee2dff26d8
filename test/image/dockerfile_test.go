package image

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const repository = "../.."

// file is one entry of a file system, with its content on the builder's disk.
type file struct {
	mode fs.FileMode
	from string
}

// built is what is left of a Dockerfile: the final stage.
type built struct {
	files  map[string]file // by absolute path
	env    map[string]string
	labels map[string]string
	user   string
	entry  []string
}

// builder interprets a Dockerfile. Paths of the build stage are below dir.
type builder struct {
	t     *testing.T
	dir   string
	work  string
	stage int
	args  map[string]string      // of the stage
	modes map[string]fs.FileMode // of what install made, by absolute path
	out   built
}

// build runs the Dockerfile of the repository.
func build(t *testing.T) built {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{t: t, dir: t.TempDir(), modes: map[string]fs.FileMode{}, out: built{
		files: map[string]file{}, env: map[string]string{}, labels: map[string]string{},
	}}
	for _, line := range instructions(string(data)) {
		name, rest, _ := strings.Cut(line, " ")
		b.run(name, strings.TrimSpace(rest))
	}
	return b.out
}

// instructions joins continued lines and drops comments.
func instructions(text string) []string {
	var out []string
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rest, more := strings.CutSuffix(line, `\`)
		joined += rest
		if !more {
			out = append(out, joined)
			joined = ""
		}
	}
	return out
}

func (b *builder) run(name, rest string) {
	b.t.Helper()
	final := b.stage == 2
	rest = b.expand(rest)
	switch {
	case name == "FROM":
		b.args = map[string]string{}
		if b.stage++; b.stage == 1 && !strings.HasPrefix(rest, "golang:1.26 ") || b.stage == 2 && rest != "scratch" || b.stage > 2 {
			b.t.Fatalf("FROM %s", rest)
		}
	case name == "ARG":
		key, value, _ := strings.Cut(rest, "=")
		b.args[key] = value
	case name == "WORKDIR" && !final:
		b.work = rest
		b.check(os.MkdirAll(b.path("."), 0o755))
	case name == "COPY" && !final:
		b.copyContext(strings.Fields(rest))
	case name == "RUN" && !final:
		for command := range strings.SplitSeq(rest, "&&") {
			b.command(strings.Fields(command))
		}
	case name == "COPY" && rest == "--from=build /rootfs/ /":
		b.copyRoot()
	case name == "ENV" && final:
		key, value, _ := strings.Cut(rest, "=")
		b.out.env[key] = value
	case name == "LABEL" && final:
		for _, pair := range strings.SplitAfter(rest, `" `) {
			key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			b.out.labels[key] = strings.Trim(value, `"`)
		}
	case name == "USER" && final:
		b.out.user = rest
	case name == "ENTRYPOINT" && final:
		for word := range strings.SplitSeq(strings.Trim(rest, "[]"), ",") {
			b.out.entry = append(b.out.entry, strings.Trim(strings.TrimSpace(word), `"`))
		}
	default:
		b.t.Fatalf("the test does not know %s %s in stage %d", name, rest, b.stage)
	}
}

// expand replaces the arguments of the stage. There has to be one for each.
func (b *builder) expand(text string) string {
	b.t.Helper()
	return os.Expand(text, func(name string) string {
		value, ok := b.args[name]
		if !ok {
			b.t.Fatalf("no ARG %s in stage %d", name, b.stage)
		}
		return value
	})
}

// path is where a path of the build stage lies on disk.
func (b *builder) path(p string) string {
	if !path.IsAbs(p) {
		p = path.Join(b.work, p)
	}
	return filepath.Join(b.dir, filepath.FromSlash(p))
}

func (b *builder) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// copyContext copies from the build context, which .dockerignore narrows.
func (b *builder) copyContext(args []string) {
	b.t.Helper()
	sources, target := args[:len(args)-1], args[len(args)-1]
	if target != "./" && target != "." {
		b.t.Fatalf("COPY to %s", target)
	}
	for _, name := range sources {
		count := 0
		b.check(filepath.WalkDir(filepath.Join(repository, name), func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(repository, at)
			if err != nil || ignored(b.t, rel) {
				return err
			}
			count++
			data, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			to := b.path(rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, data, 0o644)
		}))
		if count == 0 {
			b.t.Fatalf("COPY %s: .dockerignore leaves nothing of it", name)
		}
	}
}

// ignored applies .dockerignore: the last pattern that matches decides. It
// knows names at the top and "**/" patterns of the last element or directory.
func ignored(t *testing.T, name string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	out := false
	elements := strings.Split(filepath.ToSlash(name), "/")
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, negated := strings.CutPrefix(line, "!")
		candidates := elements[:1]
		if rest, anywhere := strings.CutPrefix(pattern, "**/"); anywhere {
			pattern, candidates = rest, elements
		}
		if slices.ContainsFunc(candidates, func(e string) bool {
			ok, err := path.Match(pattern, e)
			if err != nil || strings.Contains(pattern, "/") {
				t.Fatalf(".dockerignore: the test does not know %s", line)
			}
			return ok
		}) {
			out = !negated
		}
	}
	return out
}

// command runs one command of the build stage.
func (b *builder) command(words []string) {
	b.t.Helper()
	switch {
	case slices.Equal(words, []string{"go", "mod", "download"}):
		// The tests run with the modules of this repository.
	case slices.Contains(words, "build"):
		b.goBuild(words)
	case words[0] == "install":
		b.install(words[1:])
	default:
		b.t.Fatalf("the test does not know %s", strings.Join(words, " "))
	}
}

func (b *builder) goBuild(words []string) {
	b.t.Helper()
	env := os.Environ()
	for len(words) > 0 && strings.Contains(words[0], "=") {
		env = append(env, words[0])
		words = words[1:]
	}
	for i, word := range words {
		if word == "-o" {
			words[i+1] = b.path(words[i+1])
		}
		if flags, ok := strings.CutPrefix(word, "-ldflags=\""); ok {
			// The shell keeps what is quoted together.
			words[i] = "-ldflags=" + flags
			for !strings.HasSuffix(words[i], `"`) {
				words[i] += " " + words[i+1]
				words = slices.Delete(words, i+1, i+2)
			}
			words[i] = strings.TrimSuffix(words[i], `"`)
		}
		if i == len(words)-1 {
			break
		}
	}
	cmd := exec.CommandContext(b.t.Context(), words[0], words[1:]...)
	cmd.Dir = b.path(".")
	cmd.Env = slices.Concat(env, []string{"GOFLAGS=-buildvcs=false"})
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// install knows `-D -m MODE FILE TARGET` and `-d -m MODE DIRECTORY`.
func (b *builder) install(words []string) {
	b.t.Helper()
	if len(words) < 4 || words[1] != "-m" {
		b.t.Fatalf("the test does not know install %v", words)
	}
	n, err := strconv.ParseUint(words[2], 8, 32)
	b.check(err)
	mode := fs.FileMode(n & 0o777)
	if n&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	target := words[len(words)-1]
	switch {
	case words[0] == "-d" && len(words) == 4:
		b.check(os.MkdirAll(b.path(target), 0o755))
		mode |= fs.ModeDir
	case words[0] == "-D" && len(words) == 5:
		data, err := os.ReadFile(b.path(words[3]))
		b.check(err)
		b.check(os.MkdirAll(filepath.Dir(b.path(target)), 0o755))
		b.check(os.WriteFile(b.path(target), data, 0o600))
	default:
		b.t.Fatalf("the test does not know install %v", words)
	}
	b.modes[target] = mode
}

// copyRoot takes /rootfs of the build stage. What install did not make are
// directories that it had to make on the way.
func (b *builder) copyRoot() {
	b.t.Helper()
	root := b.path("/rootfs")
	b.check(filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == root {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		name := "/" + filepath.ToSlash(rel)
		mode, made := b.modes["/rootfs"+name]
		if !made && !d.IsDir() {
			return fmt.Errorf("%s: nothing made it", name)
		}
		if !made {
			mode = fs.ModeDir | 0o755
		}
		b.out.files[name] = file{mode: mode, from: at}
		return nil
	}))
}
