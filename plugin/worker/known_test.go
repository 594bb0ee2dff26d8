package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

func treeOf(t *testing.T, files map[string][]byte) *source.Memory {
	t.Helper()
	tree, err := source.NewMemory(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestKnown: what is sent along is what was asked before, answered by the tree
// of the request.
func TestKnown(t *testing.T) {
	var h habits
	asked := []observe.Ask{{Op: observe.Read, Name: "large"}, {Op: observe.Read, Name: "shared/values.yaml"}, {Op: observe.Stat, Name: "absent"}}
	req := Request{Request: plugin.Request{Dir: "app"}, Tree: treeOf(t, map[string][]byte{"app/Chart.yaml": []byte("a"), "shared/values.yaml": []byte("old")})}
	if answers := h.known(req); string(answers[observe.Ask{Op: observe.Read, Name: "app/Chart.yaml"}].Data) != "a" {
		t.Errorf("the first render is not told of its own directory: %v", answers)
	}
	h.learn(req, asked)
	req.Tree = treeOf(t, map[string][]byte{"shared/values.yaml": []byte("new"), "large": make([]byte, knownFileBytes+1)})
	answers := h.known(req)
	if len(answers) != 2 || string(answers[asked[1]].Data) != "new" || !answers[asked[2]].Problem.NotExist {
		t.Errorf("got %v", answers)
	}
	req.Environment = "prod"
	if _, ok := h.known(req)[asked[1]]; ok {
		t.Error("another request has the same habits")
	}
}

func TestHabitsAreBounded(t *testing.T) {
	var h habits
	h.learn(Request{}, []observe.Ask{{Name: strings.Repeat("a", 1<<20)}})
	h.learn(Request{}, make([]observe.Ask, knownFiles+1))
	if len(h.asked) != 0 {
		t.Error("something large is held")
	}
	for i := range 10 * mostHabits {
		h.learn(Request{Request: plugin.Request{Dir: fmt.Sprint(i)}}, []observe.Ask{{Name: "a"}})
	}
	if len(h.asked) > mostHabits {
		t.Errorf("%d are held", len(h.asked))
	}
}
