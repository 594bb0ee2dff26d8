package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stages are the environments in the order in which an image goes through them.
type Stages []string

// DefaultStages are those of this repository.
func DefaultStages() Stages { return Stages{"dev", "staging", "prod"} }

// Check reports stages of which none can be promoted.
func (s Stages) Check() error {
	if len(s) < 2 {
		return errors.New("at least two environments are expected")
	}
	for i, name := range s {
		if name == "" || slices.Contains(s[:i], name) {
			return fmt.Errorf("%q: every environment is expected once", strings.Join(s, ","))
		}
	}
	return nil
}

// Step reports a way that is not from one stage to the next.
func (s Stages) Step(from, to string) error {
	a, b := slices.Index(s, from), slices.Index(s, to)
	order := strings.Join(s, ", ")
	switch {
	case a < 0:
		return fmt.Errorf("%s is not one of the stages %s", clip(from), order)
	case b < 0:
		return fmt.Errorf("%s is not one of the stages %s", clip(to), order)
	case a == b:
		return fmt.Errorf("from %s to itself: nothing would change", from)
	case b < a:
		return fmt.Errorf("%s comes before %s: to go back, revert the commit", to, from)
	case b > a+1:
		return fmt.Errorf("from %s to %s skips %s: promote from %s to %s", from, to, strings.Join(s[a+1:b], ", "), s[b-1], to)
	}
	return nil
}

// Promotion is what changes when one environment gets the image of another.
type Promotion struct {
	File string `json:"file"`
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	Old  Image  `json:"old"`
	New  Image  `json:"new"`
}

// Changed is false where the environment has the image already.
func (p Promotion) Changed() bool { return p.Old != p.New }

// Promote checks that the image of one file may go to the other, and reports
// everything that speaks against it. Whether one is the stage after the other
// is for [Stages.Step].
func Promote(from, to *File) (Promotion, error) {
	p := Promotion{File: to.Name, From: from.Environment, To: to.Environment, Old: to.Image, New: from.Image}
	if !p.Changed() {
		return p, nil
	}
	var errs []error
	refuse := func(key []string, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", from.Name, from.doc.Line(key...), strings.Join(key, "."), fmt.Sprintf(format, args...)))
	}
	if err := (Image{Tag: p.New.Tag}).Check(); err != nil {
		refuse(tagPath, "%v", err)
	} else if !p.New.Fixed() {
		refuse(tagPath, "%s may move to another image; expected %s", p.New.Tag, FixedRule)
	}
	switch {
	case p.New.Digest == "":
		refuse(digestPath, "is empty; write it with core-pipeline image set --env %s --tag %s --digest DIGEST", from.Environment, Printable(p.New.Tag))
	case !digestForm.MatchString(p.New.Digest):
		refuse(digestPath, "%v", Image{Tag: "x", Digest: p.New.Digest}.Check())
	}
	old, now := p.Old.version(), p.New.version()
	switch {
	case old != nil && now != nil && now.LessThan(old):
		refuse(tagPath, "%s is older than %s in %s; to go back, revert the commit in %s", p.New.Tag, p.Old.Tag, p.To, p.To)
	case p.Old.Tag == p.New.Tag && p.Old.Digest != "" && p.New.Digest != "":
		refuse(digestPath, "the tag %s names another image in %s: it was moved; build under a new tag", Printable(p.New.Tag), p.To)
	}
	return p, errors.Join(errs...)
}
