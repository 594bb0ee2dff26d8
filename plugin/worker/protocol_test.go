package worker

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

func encoded(tb testing.TB, values ...any) []byte {
	tb.Helper()
	var out bytes.Buffer
	e := gob.NewEncoder(&out)
	for _, v := range values {
		if err := e.Encode(v); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}

// FuzzPoolSide lets a worker that was taken over say anything: the pool gets
// an error or a result, and the worker sees nothing outside the tree.
func FuzzPoolSide(f *testing.F) {
	f.Add(encoded(f, said{Stage: "rendering templates"}, said{Ask: &observe.Ask{Op: observe.Read, Name: "Chart.yaml"}}, said{Result: &Result{Manifests: []string{"{}"}}}))
	f.Add(encoded(f, said{Ask: &observe.Ask{Op: observe.Read, Name: "../../etc/passwd"}}))
	f.Add(encoded(f, said{Ask: &observe.Ask{Op: 99, Name: ""}}, said{}))
	f.Add([]byte("panic: runtime error\n"))
	tree, err := source.NewMemory(map[string][]byte{"Chart.yaml": []byte("name: a\n")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w := &process{buffer: bufio.NewWriter(io.Discard), decoder: gob.NewDecoder(bytes.NewReader(data))}
		w.encoder = gob.NewEncoder(w.buffer)
		stages := 0
		r, err := w.do(Request{Tree: tree}, nil, time.Second, func(stage string) {
			stages++
			if label := phaseLabel(stage); label != "other" && len(label) > 40 {
				t.Errorf("a worker made the label %q", label)
			}
		})
		if err != nil && !reflect.DeepEqual(r, Result{}) {
			t.Errorf("an error and a result: %v", err)
		}
	})
}

// FuzzWorkerSide feeds a worker's decoder, and its answers.
func FuzzWorkerSide(f *testing.F) {
	f.Add(encoded(f, job{Request: plugin.Request{Dir: "."}, Timeout: time.Second, Known: map[observe.Ask]observe.Answer{
		{Op: observe.Stat, Name: "Chart.yaml"}: {},
	}}, observe.Answer{Data: []byte("x")}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &conversation{decoder: gob.NewDecoder(bytes.NewReader(data)), buffer: bufio.NewWriter(io.Discard)}
		c.encoder = gob.NewEncoder(c.buffer)
		var j job
		if err := c.decoder.Decode(&j); err != nil {
			return
		}
		tree := observe.NewTree(j.Known, c.ask)
		_, err := tree.Open("Chart.yaml")
		if err == nil && c.broken != nil {
			t.Errorf("a file out of a broken pipe: %v", c.broken)
		}
	})
}
