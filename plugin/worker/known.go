package worker

import (
	"crypto/sha256"
	"path"
	"strings"
	"sync"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
)

// The bounds of what is sent along with a job.
const (
	knownBytes     = 1 << 20
	knownFiles     = 500
	knownFileBytes = knownBytes / 4
)

// habits remembers what renders of an application have asked of the tree: the
// next one will ask much the same, and an answer in time saves a round trip.
// Nothing but time depends on it.
type habits struct {
	mu    sync.Mutex
	asked map[habit][]observe.Ask
}

// habit is a digest: what is asked for may be of any length.
type habit [sha256.Size]byte

// mostHabits bounds the memory: when there are more, it begins anew.
const mostHabits = 256

func habitOf(req Request) habit {
	kind := "render"
	if req.Announce {
		kind = "announce"
	}
	parts := []string{kind, req.Dir, req.Environment, req.Overlay, ""}
	parts = append(append(append(parts, req.ValueFiles...), ""), req.OptionalValueFiles...)
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

func (h *habits) learn(req Request, asked []observe.Ask) {
	const mostNames = 64 << 10
	names := 0
	for _, a := range asked {
		names += len(a.Name)
	}
	if len(asked) == 0 || len(asked) > knownFiles || names > mostNames {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked == nil || len(h.asked) >= mostHabits {
		h.asked = map[habit][]observe.Ask{}
	}
	h.asked[habitOf(req)] = asked
}

// known answers beforehand what the render will ask.
func (h *habits) known(req Request) map[observe.Ask]observe.Answer {
	h.mu.Lock()
	asked := h.asked[habitOf(req)]
	h.mu.Unlock()
	if asked == nil {
		return ownDirectory(req)
	}
	answers, size := make(map[observe.Ask]observe.Answer, len(asked)), 0
	for _, a := range asked {
		if a.Op == observe.Read && isLarge(req.Tree, a.Name) {
			continue
		}
		answer := observe.Look(req.Tree, a)
		if size += len(answer.Data); size > knownBytes {
			break
		}
		answers[a] = answer
	}
	return answers
}

func isLarge(tree observe.Source, name string) bool {
	info, err := tree.Stat(name)
	return err == nil && info.Size() > knownFileBytes
}

// ownDirectory answers what the first render asks about the application's own
// directory.
func ownDirectory(req Request) map[observe.Ask]observe.Answer {
	answers, size := map[observe.Ask]observe.Answer{}, 0
	add := func(op observe.Operation, name string) observe.Answer {
		a := observe.Ask{Op: op, Name: name}
		answers[a] = observe.Look(req.Tree, a)
		size += len(answers[a].Data)
		return answers[a]
	}
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		for _, e := range add(observe.List, dir).Entries {
			if size > knownBytes || len(answers) > knownFiles {
				return
			}
			name := path.Join(dir, e.Name())
			switch info := add(observe.Stat, name); {
			case info.Problem.Text != "" || e.Type() != info.Entry.Type():
			case info.Entry.IsDir() && depth > 0:
				walk(name, depth-1)
			case !info.Entry.IsDir() && info.Entry.Size() <= knownFileBytes:
				add(observe.Read, name)
			}
		}
	}
	const depth = 8
	walk(path.Clean("./"+req.Dir), depth)
	return answers
}
