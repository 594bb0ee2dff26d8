package chartversion

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"

	"github.com/core-pipeline/core-pipeline-cmp/internal/yamledit"
)

// Report is what a change of a chart asks for.
type Report struct {
	// Before is the version of the chart before, nil if there was none. Now is
	// the version as it is written, Wanted the lowest that fits the changes.
	Before, Now, Wanted *semver.Version
	// Changes are those that count, the largest first.
	Changes []Change
	Level   Level

	head     Files
	metadata metadata
	sections []section
}

// New compares two states of a chart. base is empty where there was none.
func New(base, head Files) (*Report, error) {
	m, now, err := head.metadata()
	if err != nil {
		return nil, err
	}
	r := &Report{Now: now, Wanted: now, head: head, metadata: m}
	var errs []error
	if text, ok := head[changelogFile]; ok {
		r.sections, err = sections(text)
		errs = append(errs, err)
	} else {
		errs = append(errs, errors.New(changelogFile+": no such file"))
	}
	if len(base) > 0 {
		if _, r.Before, err = base.metadata(); err != nil {
			return nil, fmt.Errorf("the chart before: %w", err)
		}
		r.Changes, err = compare(base, head)
		errs = append(errs, err)
		r.Level = highest(r.Changes)
		r.Wanted = r.Level.next(r.Before)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// enough tells whether the version fits the changes. A candidate for a version
// counts as that version.
func (r *Report) enough() bool {
	if r.Before == nil {
		return true
	}
	candidate := *r.Now
	if candidate.Prerelease() != "" && !r.Now.LessThan(r.Before) {
		candidate = candidate.IncPatch() // the version without the candidate's mark
	}
	return !candidate.LessThan(r.Wanted)
}

// Check reports a version that is too low, and what is not in step with it.
func (r *Report) Check() error {
	var errs []error
	switch {
	case r.Before != nil && r.Now.LessThan(r.Before):
		errs = append(errs, fmt.Errorf("%s: version %s is lower than %s before", chartFile, r.Now, r.Before))
	case !r.enough():
		errs = append(errs, fmt.Errorf("%s: version %s is too low for a %s change after %s; raise it to %s", chartFile, r.Now, r.Level, r.Before, r.Wanted))
	}
	entries, err := r.metadata.annotated()
	errs = append(errs, err)
	newest := r.newest()
	switch {
	case newest == nil || newest.title != r.Now.Original():
		errs = append(errs, fmt.Errorf("%s: the newest version is expected to be %s, that of %s", changelogFile, r.Now, chartFile))
	case len(newest.entries) == 0:
		errs = append(errs, fmt.Errorf("%s:%d: the section of %s is empty", changelogFile, newest.line, newest.title))
	case err == nil && !slices.Equal(entries, newest.entries):
		errs = append(errs, fmt.Errorf("%s: annotations.%s differs from %s:%d", chartFile, annotation, changelogFile, newest.line))
	}
	return errors.Join(errs...)
}

// newest is the first section of a version.
func (r *Report) newest() *section {
	for i := range r.sections {
		if r.sections[i].title != unreleased {
			return &r.sections[i]
		}
	}
	return nil
}

// described is the section that says what changed in version: its own, or one
// that becomes it. That is Unreleased, or that of a version which this change
// has brought and which is too low.
func (r *Report) described(version string) (section, error) {
	newest := r.newest()
	if newest != nil && newest.title == version {
		return *newest, nil
	}
	for _, s := range r.sections {
		if s.title == unreleased && len(s.entries) > 0 {
			return s, nil
		}
	}
	if newest != nil && r.Before != nil && r.Now.GreaterThan(r.Before) && newest.title == r.Now.Original() {
		return *newest, nil
	}
	return section{}, fmt.Errorf("%s: a section %s with what changed is expected; it becomes that of %s", changelogFile, unreleased, version)
}

// Edits are the files that differ from what Check wants, as it wants them: with
// the version that is wanted, where that is higher, the section Unreleased of
// the changelog as that of the version, and its entries in the annotation.
func (r *Report) Edits() (Files, error) {
	edits := Files{}
	chart, version := r.head[chartFile], r.Now.Original()
	if !r.enough() {
		version = r.Wanted.String()
		doc, err := yamledit.Parse(chartFile, chart)
		if err != nil {
			return nil, err
		}
		if chart, err = doc.Set(yamledit.Edit{Path: []string{"version"}, Value: version}); err != nil {
			return nil, err
		}
	}
	described, err := r.described(version)
	if err != nil {
		return nil, err
	}
	if described.title != version {
		edits[changelogFile] = release(r.head[changelogFile], described, version)
	}
	if entries, err := r.metadata.annotated(); err != nil || !slices.Equal(entries, described.entries) {
		if chart, err = annotate(chart, described.entries); err != nil {
			return nil, err
		}
	}
	if string(chart) != string(r.head[chartFile]) {
		edits[chartFile] = chart
	}
	after := maps.Clone(r.head)
	maps.Copy(after, edits)
	again, err := New(nil, after)
	if err != nil {
		return nil, err
	}
	return edits, again.Check()
}

// Target is the version that the chart has after Edits.
func (r *Report) Target() string {
	if r.enough() {
		return r.Now.Original()
	}
	return r.Wanted.String()
}

// File is a file of the chart as it was given to New.
func (r *Report) File(name string) []byte { return r.head[name] }
