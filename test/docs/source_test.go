package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pieces are texts that both nets catch and that are no messages: parts of
// them, results, and what is looked for in the messages of libraries.
var pieces = []string{
	// What stands for a part of a message.
	"a boolean", "a list", "a map", "a number", "a single value", "a string", "a text", "and … more", "tree", "- kind: ………  description", "no kind)", "no source", "something else",
	"there are", "true or false", "with annotations", "with labels", "cluster Secrets and ExternalSecrets",
	"bytes", "s", "delete the file", "its objects are deleted with it", "its objects stay", "encoding the objects", "reading the schema",
	"--timeout", "preempted", "unknown operation", "buildMetadata: managedByLabel",
	// Looked for in messages of libraries and of the Go runtime.
	"cannot parse template", "error during tpl function execution for", "error unpacking subchart",
	"fatal error", "path escapes from parent", "unexpected fault",
	// Of Helm's engine, taken off before a user sees it.
	"parse error at", "parse error in", "execution error at", "execution error in", "<no value>",
	// Results.
	"a new chart",
	"AppProject … admits it: clusters named …, namespace …, repository",
	"ApplicationSet … selects the cluster by", "# Application", "built with",
	"agree that Argo CD deletes the …: argocd app confirm-deletion core-pipeline-root; if it does not keep the clusters: kubectl -n … delete",
	"and commit: core-pipeline cluster remove … --delete", "commit and merge the deletion of",
	"delete what it left, on the cluster …: kubectl delete namespace",
	`is "false"; commit and merge it, and wait until it has arrived: kubectl -n … get secret … -o jsonpath='{.metadata.labels}'`,
	"take away the access that Argo CD had to the cluster: the role, the entry in the store, the ServiceAccount",
	"wait until Argo CD has deleted the Application (…): kubectl -n … wait --for=delete application/",
	"apiVersion: external-secrets.io/v1", "apiVersion: v1", "- secretKey: token", "apiVersion: v2", "name: warm-up", "version: 1.0.0",
}

var (
	// silent are the directories whose code no user runs: tests, what makes a
	// release, and what is generated.
	silent = []string{"test", "release", "plugin/cmpserver/cmppb", "plugin/cmpserver/cmptest", "cmd/internal/edge/edgetest"}

	// Where a text is no message: what --help, /metrics and Argo CD's user
	// interface show, and what is looked for in texts of others.
	quietFields = []string{"Usage", "Description", "ArgsUsage", "Name", "Title", "Tooltip", "Help"}
	quietCalls  = []string{"MustCompile", "examples", "begin", "Stage", "counter", "histogram", "Gauge"}
	quietFrom   = []string{"strings", "bytes", "cli"}
	// usage is what the command line's library makes a placeholder of.
	usage = regexp.MustCompile("`[A-Z=:]+`")

	// sentence is what makes a literal outside of the functions known to make
	// messages one all the same: two words.
	sentence = regexp.MustCompile(`[a-z][,;:]? [a-z%]`)
	verb     = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?[0-9*]*(?:\.[0-9]+)?[a-zA-Z]`)
	// edges are what a message has around its own words: places, causes and
	// the ends of lines.
	edges = regexp.MustCompile(`^(?:[\s:…,.()"]|--…)+|(?:[\s:…]|\(…\)|\[…\])+$`)
)

// origins says where each message of the programs is made. A message is a
// text of the source that people get to see when something is wrong: what
// stands for a place, a name or a cause in it is "…", and is left out at its
// ends.
//
// Two nets catch them. What is given to errors.New, to fmt.Errorf and to
// functions of this repository that end in (format string, args ...any) is a
// message, and so is a Finding's Text. Of what is left, every text of two words
// is one, unless it is in a place that is not for errors.
func origins(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	eachText(t, func(text, at string) {
		if !slices.Contains(pieces, text) {
			found[text] = at
		}
	})
	return found
}

// eachText calls do for every text that the nets catch.
func eachText(t *testing.T, do func(text, at string)) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if d.IsDir() && rel != "." && (slices.Contains(silent, filepath.ToSlash(rel)) || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := speaker{makers: map[string]int{"New": 0, "Errorf": 0, "Usage": 1}}
	packageOf := func(file *ast.File) string { return filepath.Dir(set.Position(file.Package).Filename) }
	for _, file := range files {
		s.learn(packageOf(file), file)
	}
	for _, file := range files {
		s.listen(packageOf(file), file, func(text string, at token.Pos) {
			for line := range strings.Lines(text) {
				if line = normal(line); strings.ContainsFunc(line, isLetter) {
					rel, _ := filepath.Rel(root, set.Position(at).String())
					do(line, rel)
				}
			}
		})
	}
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// normal is the text of a message as the guide lists it.
func normal(text string) string {
	text = verb.ReplaceAllString(text, "…")
	return edges.ReplaceAllString(text, "")
}

type speaker struct {
	// makers are the functions that take a format and what goes into it, with
	// the place of the format: by name, those of a package by its directory and
	// name.
	makers map[string]int
	quiet  []string // functions whose result is a flag
	dir    string   // of the package that is listened to
}

// learn finds the makers and the flags that a file declares.
func (s *speaker) learn(dir string, file *ast.File) {
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if results := f.Type.Results; results != nil && len(results.List) == 1 {
			if of, ok := results.List[0].Type.(*ast.SelectorExpr); ok && of.Sel.Name == "Flag" {
				s.quiet = append(s.quiet, f.Name.Name)
			}
		}
		var types []ast.Expr
		for _, p := range f.Type.Params.List {
			for range max(len(p.Names), 1) {
				types = append(types, p.Type)
			}
		}
		if n := len(types); f.Name.Name == "say" && n == 2 {
			s.makers[dir+".say"] = 1 // of package supervise: no format
		} else if n >= 2 && name(types[n-2]) == "string" {
			if rest, ok := types[n-1].(*ast.Ellipsis); ok && name(rest.Elt) == "any" {
				s.makers[dir+"."+f.Name.Name] = n - 2
			}
		}
	}
}

// name is the last part of an expression's name, "" if it has none.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// text joins the literals of a concatenation; ok is whether there are any.
func text(e ast.Expr) (joined string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			joined, _ = strconv.Unquote(e.Value)
			return joined, true
		}
	case *ast.ParenExpr:
		return text(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			a, okA := text(e.X)
			b, okB := text(e.Y)
			return a + b, okA || okB
		}
	}
	return "…", false
}

// listen calls note for every message in a file.
func (s *speaker) listen(dir string, file *ast.File, note func(text string, at token.Pos)) {
	s.dir = dir
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.StructType:
			return false
		case *ast.CaseClause:
			for _, body := range n.Body {
				ast.Inspect(body, visit)
			}
			return false
		case *ast.KeyValueExpr:
			key := name(n.Key)
			if joined, ok := text(n.Value); ok && key == "Text" {
				note(joined, n.Pos())
				return false
			}
			return !slices.Contains(quietFields, key)
		case *ast.CallExpr:
			return s.call(n, visit, note)
		case ast.Expr:
			if joined, ok := text(n); ok {
				if sentence.MatchString(joined) && !usage.MatchString(joined) && !strings.Contains(joined, "\n  ") {
					note(joined, n.Pos())
				}
				return false
			}
		}
		return true
	}
	ast.Inspect(file, visit)
}

// call notes the message of a call of a maker, and tells whether the rest of
// the call is still to be looked at.
func (s *speaker) call(n *ast.CallExpr, visit func(ast.Node) bool, note func(string, token.Pos)) bool {
	called := name(n.Fun)
	if f, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(quietFrom, name(f.X)) {
		return false
	}
	if slices.Contains(quietCalls, called) || slices.Contains(s.quiet, called) {
		return false
	}
	if strings.HasPrefix(called, "Fprint") && name(n.Args[0]) == "stdout" {
		return false // results, not errors
	}
	place, ok := s.makers[s.dir+"."+called]
	if !ok {
		place, ok = s.makers[called]
	}
	if !ok || place >= len(n.Args) {
		return true
	}
	for i, argument := range n.Args {
		if joined, ok := text(argument); ok && i == place {
			note(joined, argument.Pos())
			continue
		}
		ast.Inspect(argument, visit)
	}
	return false
}
