package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func read(t testing.TB, page string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// guides lists the pages whose commands run and whose YAML decodes: all of
// docs but the decisions, and the READMEs.
func guides(t testing.TB) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for i, p := range pages {
		pages[i] = "docs/" + filepath.Base(p)
	}
	return append(pages, "README.md", "argocd/README.md", "charts/core-pipeline/README.md")
}

// allPages are all Markdown files of the repository.
func allPages(t testing.TB) []string {
	t.Helper()
	var pages []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			rel, _ := filepath.Rel(root, name)
			pages = append(pages, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	return pages
}

// block is a fenced block of code, or one that is indented; the latter has no
// language.
type block struct {
	page string
	line int // of its first line
	lang string
	text string
}

var fence = regexp.MustCompile("^( *)```([a-zA-Z]*)(?: [a-z/.-]+)?$")

// blocks splits a page into its code and its prose.
func blocks(t testing.TB, page string) (code []block, prose string) {
	t.Helper()
	var text strings.Builder
	var open *block
	indent, before := "", ""
	for i, line := range strings.Split(read(t, page), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && open.lang != "" && m != nil:
			open = nil
		case open != nil && open.lang != "":
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case m != nil && m[2] == "":
			t.Errorf("%s:%d: the block has no language", page, i+1)
		case m != nil:
			code = append(code, block{page: page, line: i + 2, lang: m[2]})
			open, indent = &code[len(code)-1], m[1]
		case open != nil && strings.HasPrefix(line, indent) && strings.TrimSpace(line) != "":
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(line, "    ") && before == "":
			indent = line[:len(line)-len(strings.TrimLeft(line, " "))]
			code = append(code, block{page: page, line: i + 1, text: strings.TrimPrefix(line, indent) + "\n"})
			open = &code[len(code)-1]
		default:
			open = nil
			text.WriteString(line + "\n")
		}
		before = strings.TrimSpace(line)
	}
	if open != nil && open.lang != "" {
		t.Errorf("%s:%d: the block does not end", page, open.line)
	}
	return code, text.String()
}

var (
	codeSpan = regexp.MustCompile("``.+?``|`[^`\n]*`")
	link     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.*)$`)
	unsaid   = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors are the names that GitHub gives to the headings of a page.
func anchors(t testing.TB, page string) map[string]bool {
	t.Helper()
	_, prose := blocks(t, page)
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(prose, -1) {
		name := strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		for i := 1; out[name]; i++ {
			name = strings.TrimRight(name, "-1234567890") + "-" + string(rune('0'+i))
		}
		out[name] = true
	}
	return out
}

// TestLinks: every relative link of every page leads to a file, and its anchor
// to a heading there.
func TestLinks(t *testing.T) {
	count := 0
	for _, page := range allPages(t) {
		_, prose := blocks(t, page)
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(prose, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			count++
			file, anchor, anchored := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchored && !anchors(t, target)[anchor] {
				t.Errorf("%s: the link %s leads to no heading", page, m[1])
			}
		}
	}
	if count < 80 {
		t.Errorf("%d links were found", count)
	}
}

// TestIndex: the index names every page of docs, and the README names the
// index.
func TestIndex(t *testing.T) {
	index := read(t, "docs/README.md")
	for _, page := range allPages(t) {
		name, inDocs := strings.CutPrefix(page, "docs/")
		if inDocs && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
	if !strings.Contains(read(t, "README.md"), "](docs/README.md)") {
		t.Error("the README does not name docs/README.md")
	}
}

// TestDiagrams: pictures are of a kind that GitHub draws.
func TestDiagrams(t *testing.T) {
	known := []string{"flowchart", "sequenceDiagram", "stateDiagram-v2", "classDiagram", "erDiagram", "gantt", "timeline"}
	count := 0
	for _, page := range allPages(t) {
		code, _ := blocks(t, page)
		for _, b := range code {
			if b.lang != "mermaid" {
				continue
			}
			count++
			if first := strings.Fields(b.text); len(first) == 0 || !slices.Contains(known, first[0]) {
				t.Errorf("%s:%d: a diagram begins with one of %s", page, b.line, strings.Join(known, ", "))
			}
			ends := 0
			for line := range strings.Lines(b.text) {
				switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word {
				case "subgraph", "alt", "loop", "opt", "par":
					ends++
				case "end":
					ends--
				}
			}
			if ends != 0 {
				t.Errorf("%s:%d: %d parts of the diagram do not end", page, b.line, ends)
			}
		}
	}
	if count == 0 {
		t.Error("there are no diagrams")
	}
}

var (
	// claims are tests that a page calls on, behind the directory they are in:
	// `test/serve` TestAttacks, TestBombs.
	claims   = regexp.MustCompile("`([a-z0-9./-]+)`,? ((?:(?:Test|Fuzz)[A-Z][A-Za-z0-9]*(?:, )?)+)")
	testName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]*`)
)

// TestClaims: every test that a guide calls on exists, where the guide says.
func TestClaims(t *testing.T) {
	count := 0
	for _, page := range guides(t) {
		_, prose := blocks(t, page)
		for _, m := range claims.FindAllStringSubmatch(prose, -1) {
			files, err := filepath.Glob(filepath.Join(root, m[1], "*_test.go"))
			if err != nil || len(files) == 0 {
				t.Errorf("%s: %s has no tests", page, m[1])
			}
			var sources strings.Builder
			for _, f := range files {
				rel, _ := filepath.Rel(root, f)
				sources.WriteString(read(t, rel))
			}
			for _, name := range testName.FindAllString(m[2], -1) {
				count++
				if !strings.Contains(sources.String(), "func "+name+"(") {
					t.Errorf("%s: %s has no %s", page, m[1], name)
				}
			}
		}
		if page == "docs/security.md" || page == "docs/compatibility.md" {
			if all, found := len(testName.FindAllString(prose, -1)), len(testName.FindAllString(strings.Join(claims.FindAllString(prose, -1), " "), -1)); all != found {
				t.Errorf("%s: %d tests are named, and %d behind their directory", page, all, found)
			}
		}
	}
	if count < 40 {
		t.Errorf("the guides call on %d tests", count)
	}
}

// TestPinned: every version of the table of versions is in the file that pins
// it.
func TestPinned(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\|[^|]+\\| ([0-9][0-9. to]*) \\| `([^`]+)` \\|").FindAllStringSubmatch(read(t, "docs/compatibility.md"), -1)
	if len(rows) < 10 {
		t.Fatalf("%d versions are pinned", len(rows))
	}
	for _, row := range rows {
		version, _, _ := strings.Cut(row[1], " to ")
		if !regexp.MustCompile(`(?:\bv|[^0-9.])` + regexp.QuoteMeta(version) + `(?:[^0-9]|$)`).MatchString(read(t, row[2])) {
			t.Errorf("docs/compatibility.md: %s does not have %s", row[2], version)
		}
	}
}
