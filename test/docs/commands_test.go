package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// elsewhere are the commands that do not run here, and why. The files that
// they name have to be there all the same.
var elsewhere = []struct{ prefix, why string }{
	{"git ", "needs git, and a host on the network"},
	{"docker ", "needs a daemon, and a registry"},
	{"kind ", "needs Docker"},
	{"kubectl ", "needs a cluster; test/e2e/gitops knows every verb and flag, and test/e2e/gettingstarted types those of that page"},
	{"helm ", "needs a cluster; test/e2e/apiserver runs it"},
	{"argocd ", "needs Argo CD; test/e2e/gitops knows every verb and flag"},
	{"yq ", "a program that make test does not install"},
	{"make test", "is what runs this test"},
	{"make bench", "measures for minutes"},
}

// elsewherePages have commands that need other repositories and programs; the test named with each types them.
var elsewherePages = map[string]string{
	"docs/configuration-repository.md": "test/e2e/appsets TestConfigurationRepository",
}

// formulas are indented blocks that are not commands.
var formulas = []string{
	"repository -> values -> Helm",
	"args: [serve, --socket",
	"alone    = making",
	"replicas = max(",
}

// programs builds both programs as make build does, once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../../cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := programs(); dir != "" {
		_ = os.RemoveAll(dir) // of the system's temporary directory
	}
	os.Exit(code)
}

// checkout copies what a user gets, with OWNER replaced in argocd as its guide
// demands, and without tests.
func checkout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "core-pipeline-cmp")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		from, to := filepath.Join(root, e.Name()), filepath.Join(dir, e.Name())
		switch {
		case slices.Contains([]string{".git", "bin", "dist", "test"}, e.Name()):
		case e.IsDir():
			err = os.CopyFS(to, os.DirFS(from))
		default:
			var data []byte
			if data, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "argocd/*/*.yaml"))
	if err != nil || len(manifests) < 10 {
		t.Fatalf("%d manifests, %v", len(manifests), err)
	}
	for _, name := range manifests {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(data), "OWNER", "acme")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// script is a page's commands, one after the other, and what they shall print.
type script struct {
	text     strings.Builder
	ran      int
	steps    []string
	expected []string
	used     map[string]bool // of elsewhere
}

var (
	heredoc = regexp.MustCompile(`<<-?'?([A-Z]+)'?`)
	aFile   = regexp.MustCompile(`^(?:\.\./|argocd/|charts/|docs/)[a-zA-Z0-9./_-]+$`)
)

// command adds one command. One that runs elsewhere only has its files looked
// for.
func (s *script) command(text string) {
	for _, e := range elsewhere {
		if !strings.HasPrefix(text, e.prefix) {
			continue
		}
		s.used[e.prefix] = true
		for word := range strings.FieldsSeq(text) {
			if aFile.MatchString(word) {
				fmt.Fprintf(&s.text, "test -e %s\n", word)
			}
		}
		if target, ok := strings.CutPrefix(text, "make "); ok {
			fmt.Fprintf(&s.text, "grep -q '^%s:' Makefile\n", target)
		}
		return
	}
	s.step(text)
	s.text.WriteString(text + "\n")
}

// step counts a command, and lets an error say which it was.
func (s *script) step(text string) {
	s.ran++
	fmt.Fprintf(&s.text, "STEP=%d\n", len(s.steps))
	s.steps = append(s.steps, text)
}

// shell adds the commands of a block: each ends with its line, unless that has
// a backslash at its end or begins a text of several lines.
func (s *script) shell(text string) {
	var command strings.Builder
	until := ""
	for line := range strings.Lines(text) {
		command.WriteString(line)
		line = strings.TrimSuffix(line, "\n")
		switch m := heredoc.FindStringSubmatch(line); {
		case until != "" && line != until, strings.HasSuffix(line, `\`):
			continue
		case until == "" && m != nil:
			until = m[1]
			continue
		}
		until = ""
		if c := strings.TrimSpace(command.String()); c != "" && !strings.HasPrefix(c, "#") {
			s.command(strings.TrimSuffix(command.String(), "\n"))
		}
		command.Reset()
	}
}

// console adds commands behind "$ " with what they print below.
func (s *script) console(text string) {
	for part := range strings.SplitSeq("\n"+text, "\n$ ") {
		command, output, _ := strings.Cut(part, "\n")
		if strings.TrimSpace(command) == "" {
			continue
		}
		s.step(command)
		fmt.Fprintf(&s.text, "{ %s\n} > \"$OUTPUT/%d\" 2>&1 || true\n", command, len(s.expected))
		if output != "" && !strings.HasSuffix(output, "\n") {
			output += "\n"
		}
		s.expected = append(s.expected, output)
	}
}

// matcher is what output has to match: … stands for a part of a line, or for
// any lines where it is alone.
func matcher(output string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(output)
	pattern = regexp.MustCompile(`(?m)^…\n`).ReplaceAllString(pattern, `(?:.*\n)*`)
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, "…", ".*") + "$")
}

// TestCommands types what the guides tell people to type, in a copy of the
// repository without anything else.
func TestCommands(t *testing.T) {
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for page, test := range elsewherePages {
		dir, name, _ := strings.Cut(test, " ")
		files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		runs := slices.ContainsFunc(files, func(file string) bool {
			rel, _ := filepath.Rel(root, file)
			text := read(t, rel)
			return strings.Contains(text, "func "+name+"(t *testing.T)") && strings.Contains(text, page)
		})
		if !runs || !slices.Contains(guides(t), page) {
			t.Errorf("%s does not run %s", test, page)
		}
	}
	used, ran := map[string]bool{}, 0
	for _, page := range guides(t) {
		if elsewherePages[page] != "" {
			continue
		}
		s := &script{used: used, steps: []string{"the beginning"}}
		const head = "set -eu\nSTEP=0\ntrap 'echo $STEP > \"$OUTPUT/step\"' EXIT\n"
		s.text.WriteString(head)
		code, _ := blocks(t, page)
		for _, b := range code {
			switch {
			case b.lang == "sh":
				s.shell(b.text)
			case b.lang == "console":
				s.console(b.text)
			case b.lang == "" && !slices.ContainsFunc(formulas, func(f string) bool { return strings.HasPrefix(b.text, f) }):
				s.shell(b.text)
			}
		}
		ran += s.ran
		if s.text.Len() == len(head) {
			continue // a page without commands
		}
		dir, output := checkout(t), t.TempDir()
		if strings.Contains(read(t, page), "\ncd core-pipeline-cmp\n") {
			dir = filepath.Dir(dir)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", s.text.String())
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "OUTPUT="+output, "CGO_ENABLED=0", "GOFLAGS=-trimpath")
		if out, err := cmd.CombinedOutput(); err != nil {
			step, _ := os.ReadFile(filepath.Join(output, "step"))
			at, _ := strconv.Atoi(strings.TrimSpace(string(step)))
			t.Errorf("%s: %v, in the command or what runs elsewhere after it\n%s\n%s", page, err, s.steps[at], out)
			continue
		}
		for i, want := range s.expected {
			got, err := os.ReadFile(filepath.Join(output, fmt.Sprint(i)))
			if err != nil {
				t.Fatal(err)
			}
			if !matcher(want).Match(got) {
				t.Errorf("%s: a command prints\n%s\nand the page says\n%s", page, got, want)
			}
		}
	}
	for _, e := range elsewhere {
		if !used[e.prefix] {
			t.Errorf("no page has a command %q; take it from the list", e.prefix)
		}
	}
	if ran < 40 {
		t.Errorf("%d commands ran", ran)
	}
}

var (
	inline = regexp.MustCompile("`(core-pipeline(?:-cmp)? [^`\n]+)`")
	flag   = regexp.MustCompile(`^--?[a-z][a-z-]*`)
)

// TestInlineCommands: what pages mention in a sentence has a verb and flags
// that exist.
func TestInlineCommands(t *testing.T) {
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	help := map[string]string{}
	count := 0
	for _, page := range guides(t) {
		_, prose := blocks(t, page)
		for _, m := range inline.FindAllStringSubmatch(prose, -1) {
			words := strings.Fields(m[1])
			verb := words[:2]
			if words[1] == "cluster" && len(words) > 2 {
				verb = words[:3]
			}
			key := strings.Join(verb, " ")
			if flag.MatchString(verb[1]) {
				key = verb[0]
			}
			if _, ok := help[key]; !ok {
				arguments := slices.Concat(strings.Fields(key)[1:], []string{"--help"})
				out, err := exec.CommandContext(t.Context(), filepath.Join(bin, verb[0]), arguments...).CombinedOutput()
				if err != nil {
					t.Errorf("%s: `%s`: %v\n%s", page, m[1], err, out)
				}
				help[key] = string(out)
			}
			for _, word := range words {
				if f := flag.FindString(word); f != "" {
					count++
					if f != "--help" && !regexp.MustCompile(`(?m)(?:^ +|, )`+f+`\b`).MatchString(help[key]) {
						t.Errorf("%s: `%s`: there is no flag %s", page, m[1], f)
					}
				}
			}
		}
	}
	if len(help) < 6 || count < 6 {
		t.Errorf("%d verbs and %d flags were found", len(help), count)
	}
}
