package chartversion

import (
	"github.com/Masterminds/semver/v3"
)

// Level is how much a change asks for.
type Level int

// The levels of Semantic Versioning.
const (
	None Level = iota
	Patch
	Minor
	Major
)

// MarshalText is the level in words.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Level) String() string { return [...]string{"none", "patch", "minor", "major"}[l] }

// next is the lowest version after base that shows a change of the level. In
// versions 0.y.z, the second number takes the place of the first.
func (l Level) next(base *semver.Version) *semver.Version {
	if base.Prerelease() != "" {
		l = min(l, Patch) // the release itself
	}
	v := *base
	switch {
	case l == None:
	case l == Major && base.Major() > 0:
		v = base.IncMajor()
	case l >= Minor:
		v = base.IncMinor()
	default:
		v = base.IncPatch()
	}
	return &v
}

// Change is one thing that differs, and what follows for the version.
type Change struct {
	Level Level `json:"level"`
	// Text says what differs: the file, and the value where there is one.
	Text string `json:"text"`
}

// highest is the level of all changes together.
func highest(changes []Change) Level {
	level := None
	for _, c := range changes {
		level = max(level, c.Level)
	}
	return level
}
