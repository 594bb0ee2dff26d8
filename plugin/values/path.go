package values

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Join appends a key to a path in --set notation: dots in the key are
// escaped. The empty path is the root.
func Join(path, key string) string {
	key = escaper.Replace(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

var escaper = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`, `,`, `\,`, `=`, `\=`)

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// maxIndex is the largest list index of an assignment, as in Helm's strvals:
// `a[2000000000]` must not allocate two thousand million items.
const maxIndex = 65536

// maxSegments bounds the nesting of one assignment, as Helm does.
const maxSegments = 30

// segment is one step of a parsed path: a key, or an index if key is "".
type segment struct {
	key   string
	index int
}

// parsePath reads the key of an assignment: keys separated by dots, list
// indices in brackets, a backslash before a character that is meant itself.
func parsePath(s string) ([]segment, error) {
	var out []segment
	var key strings.Builder
	pending := true // a key must follow
	flush := func() error {
		if key.Len() == 0 {
			return errors.New("a key is empty")
		}
		out = append(out, segment{key: key.String()})
		key.Reset()
		pending = false
		return nil
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i++; i == len(s) {
				return nil, errors.New("ends with a backslash")
			}
			key.WriteByte(s[i])
		case '.':
			if pending {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			pending = true
		case '[':
			if pending {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			digits, _, ok := strings.Cut(s[i+1:], "]")
			n, err := strconv.Atoi(digits)
			if !ok || err != nil || n < 0 {
				return nil, errors.New("an index in brackets must be a number")
			}
			if n > maxIndex {
				return nil, fmt.Errorf("index %d is over the limit of %d", n, maxIndex)
			}
			out = append(out, segment{index: n})
			i += len(digits) + 1
		default:
			if !pending {
				return nil, errors.New("a dot is missing after a bracket")
			}
			key.WriteByte(c)
		}
	}
	if pending {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	if len(out) > maxSegments {
		return nil, fmt.Errorf("is nested deeper than %d levels", maxSegments)
	}
	return out, nil
}
