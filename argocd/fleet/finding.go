package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Finding is one problem: where it is and what to do.
type Finding struct {
	File string
	// Line counts from 1; zero means the whole file.
	Line int
	// Field is the path of the field in its document, empty for the file.
	Field string
	Text  string
	// Harmless is what does not change which Applications there are.
	Harmless bool
}

// String is one line: file:line: field: text.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Field != "" {
		b.WriteString(": " + f.Field)
	}
	b.WriteString(": " + f.Text)
	// The name of a file or a field must not make a second line.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, b.String())
}

// Findings are problems in the order of files and lines.
type Findings []Finding

// Err is nil without findings, and one line for each otherwise.
func (f Findings) Err() error {
	errs := make([]error, len(f))
	for i, finding := range f {
		errs[i] = errors.New(finding.String())
	}
	return errors.Join(errs...)
}

func (f Findings) sorted() Findings {
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(f)
}

// And returns both, sorted. Of more, what is at a place that f names already is
// left out: it follows from that.
func (f Findings) And(more Findings) Findings {
	type place struct {
		file, field string
		line        int
	}
	seen := map[place]bool{}
	for _, x := range f {
		seen[place{x.File, x.Field, x.Line}] = true
	}
	all := slices.Clone(f)
	for _, x := range more {
		if !seen[place{x.File, x.Field, x.Line}] {
			all = append(all, x)
		}
	}
	return all.sorted()
}

// Harmful are those that change which Applications there are.
func (f Findings) Harmful() Findings {
	return slices.DeleteFunc(slices.Clone(f), func(x Finding) bool { return x.Harmless })
}

// Without returns the findings that are not among known.
func (f Findings) Without(known Findings) Findings {
	seen := make(map[Finding]bool, len(known))
	for _, k := range known {
		seen[k] = true
	}
	return slices.DeleteFunc(slices.Clone(f), func(x Finding) bool { return seen[x] })
}

// clip shortens a text of a file for a finding.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
