package release

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Image is what a release names: the tag is for people, the digest decides
// what runs. Without a digest, the tag decides.
type Image struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// String is the end of an image's reference, tag@digest, for people.
func (i Image) String() string {
	if i.Digest == "" {
		return Printable(i.Tag)
	}
	return Printable(i.Tag) + "@" + Printable(i.Digest)
}

// Printable is a tag or a digest for a terminal: what no registry would take is
// in quotes, and cut.
func Printable(s string) string {
	if s == "" || tagForm.MatchString(s) || digestForm.MatchString(s) {
		return s
	}
	return clip(s)
}

// The grammar of tags and digests is that of references to images
// (github.com/distribution/reference); of digests, the registered algorithms
// of OCI's image specification that the chart takes.
var (
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// Check reports a tag or a digest that no registry would take, all at once. An
// empty digest is none.
func (i Image) Check() error {
	var errs []error
	if !tagForm.MatchString(i.Tag) {
		errs = append(errs, fmt.Errorf("tag %s: expected letters, digits, _, . and -, 128 at most, that begin with a letter, a digit or _", clip(i.Tag)))
	}
	if i.Digest != "" && !digestForm.MatchString(i.Digest) {
		errs = append(errs, fmt.Errorf("digest %s: expected sha256: and 64 hexadecimal digits in lower case", clip(i.Digest)))
	}
	return errors.Join(errs...)
}

// FixedRule is what Fixed looks for, in words.
const FixedRule = "a version such as 1.4.0 or v1.4.0-rc.1, or a tag that ends in 7 or more digits of a commit or build (main-1a2b3c4)"

var commitForm = regexp.MustCompile(`(^|[._-])(sha|g)?[0-9a-f]{7,64}$`)

// Fixed tells whether the tag looks like one that is given to one image and
// never to another, by FixedRule. latest, main, 1.4 and 1.4.0-SNAPSHOT are moved
// from build to build.
func (i Image) Fixed() bool {
	if commitForm.MatchString(i.Tag) {
		return true
	}
	v := i.version()
	return v != nil && (v.Prerelease() == "" || strings.ContainsAny(v.Prerelease(), "0123456789"))
}

// version is the tag as a version, or nil.
func (i Image) version() *semver.Version {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(i.Tag, "v"))
	if err != nil {
		return nil
	}
	return v
}

// clip quotes a text of the user for an error.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(s, "?"))
}
