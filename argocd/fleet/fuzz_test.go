package fleet

import (
	"strings"
	"testing"
)

// FuzzCluster: whatever a cluster's file holds, there is one line for each
// finding, and what is disabled differs in one word.
func FuzzCluster(f *testing.F) {
	tree := example(f)
	for _, file := range []string{awsFile, caFile, execFile, storeFile} {
		f.Add(string(tree[file].Data))
	}
	for _, m := range mutants {
		f.Add(strings.Replace(string(tree[m.file].Data), m.before, m.after, 1))
	}
	base, _ := Load(tree, DefaultPaths())
	f.Fuzz(func(t *testing.T, text string) {
		c, findings := readCluster(awsFile, []byte(text))
		if c == nil {
			oneLine(t, findings)
			return
		}
		with := *base
		with.clusters = []*Cluster{base.clusters[0], c}
		oneLine(t, findings.And(with.Lint(now)))
		with.Steps(c)
		with.ValuesFiles(c)
		if edited, err := c.Disable([]byte(text)); err == nil && c.Enabled() && len(edited) != len(text)+1 {
			t.Errorf("%q became %q", text, edited)
		}
	})
}

// FuzzSetsAndProjects does the same for what selects and admits clusters.
func FuzzSetsAndProjects(f *testing.F) {
	tree := example(f)
	for _, file := range []string{prodSet, prodProject} {
		f.Add(string(tree[file].Data))
	}
	base, _ := Load(tree, DefaultPaths())
	f.Fuzz(func(t *testing.T, text string) {
		docs, findings := parse(prodSet, []byte(text))
		oneLine(t, findings)
		for _, d := range docs {
			s, p := &setFile{doc: d}, &projectFile{doc: d}
			d.decode(&s.applicationSet)
			d.decode(&p.appProject)
			with := *base
			with.sets, with.projects = []*setFile{s}, []*projectFile{p}
			oneLine(t, d.findings.And(with.Lint(now)))
		}
	})
}

func oneLine(t *testing.T, findings Findings) {
	t.Helper()
	for _, finding := range findings {
		if line := finding.String(); strings.ContainsAny(line, "\n\r\x1b") {
			t.Errorf("%q", line)
		}
	}
}
