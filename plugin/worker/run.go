package worker

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

// Run is the life of a process: it does jobs from in until in ends, and talks
// about them on out. A job that breaks a limit ends the process; its last
// words go to stderr.
func Run(ctx context.Context, in io.Reader, out, stderr io.Writer, memory int64) error {
	if err := warmUp(ctx); err != nil {
		return fmt.Errorf("rendering the first chart: %w", err)
	}
	c := &conversation{decoder: gob.NewDecoder(bufio.NewReader(in)), buffer: bufio.NewWriter(out)}
	c.encoder = gob.NewEncoder(c.buffer)
	tidy := newTidier(memory)
	for {
		var j job
		if err := c.decoder.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		tidy.busy()
		watch := watchdog.Start(stderr, "worker", watchdog.Limits{Timeout: j.Timeout, Memory: memory})
		r := do(ctx, j, c, watch.Stage)
		watch.Stop()
		if c.broken != nil {
			return c.broken
		}
		if err := c.say(said{Result: &r}); err != nil {
			return fmt.Errorf("writing a result: %w", err)
		}
		tidy.idle()
	}
}

func do(ctx context.Context, j job, c *conversation, watched func(string)) Result {
	tree := observe.NewTree(j.Known, c.ask)
	stage := func(name string) {
		watched(name)
		_ = c.say(said{Stage: name}) // a broken pipe shows when the result is written
	}
	return Render(ctx, tree, j.Request, j.Announce, stage)
}

// Render does in this process what a pool does in others. Stage is told what
// begins.
func Render(ctx context.Context, tree *observe.Tree, req plugin.Request, announce bool, stage func(string)) Result {
	var r Result
	var err error
	if announce {
		stage("reading the schema")
		r.Announcements, err = plugin.Announce(tree, req.Dir)
	} else {
		var list manifest.List
		list, err = plugin.Render(ctx, tree, req, plugin.Options{
			Stage: stage, APIVersions: func(use plugin.APIVersionUse) { r.APIVersions = use },
		})
		if err == nil {
			stage("encoding the objects")
			r.Manifests, err = manifest.JSON(list)
		}
	}
	r.Asked = tree.Asked()
	if err != nil {
		return Result{Problem: plugin.Message(err), Asked: r.Asked}
	}
	return r
}

// conversation is a process's side of the pipe.
type conversation struct {
	decoder *gob.Decoder
	buffer  *bufio.Writer
	encoder *gob.Encoder
	// broken is why the pipe cannot be used any more.
	broken error
}

func (c *conversation) say(s said) error {
	if c.broken != nil {
		return c.broken
	}
	if err := c.encoder.Encode(s); err != nil {
		c.broken = err
	} else if err := c.buffer.Flush(); err != nil {
		c.broken = err
	}
	return c.broken
}

func (c *conversation) ask(a observe.Ask) (observe.Answer, error) {
	if err := c.say(said{Ask: &a}); err != nil {
		return observe.Answer{}, err
	}
	var answer observe.Answer
	if err := c.decoder.Decode(&answer); err != nil {
		c.broken = fmt.Errorf("asking for a file: %w", err)
	}
	return answer, c.broken
}

// tidier gives memory back once a process has nothing to do: a pool has many.
type tidier struct {
	timer *time.Timer
	limit uint64
}

func newTidier(limit int64) tidier {
	const never = 1 << 62
	return tidier{timer: time.AfterFunc(never, debug.FreeOSMemory), limit: uint64(max(limit, 0))}
}

func (t tidier) busy() { t.timer.Stop() }

// idle is called after a job. Only a large one leaves something to give back.
func (t tidier) idle() {
	const patience = 100 * time.Millisecond
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(samples)
	if used := samples[0].Value.Uint64() + samples[1].Value.Uint64(); used > t.limit/2 {
		t.timer.Reset(patience)
	}
}

// warmUp renders a small chart with an overlay: the first render of a process
// reads the schemas of all Kubernetes kinds, the next ones do not.
func warmUp(ctx context.Context) error {
	tree, err := source.NewMemory(map[string][]byte{
		"Chart.yaml":       []byte("apiVersion: v2\nname: warm-up\nversion: 1.0.0\n"),
		"values.yaml":      []byte("name: warm-up\n"),
		"templates/a.yaml": []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Values.name }}\nspec:\n  template:\n    spec:\n      containers:\n        - name: a\n          image: a\n"),
		"overlay/kustomization.yaml": []byte("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n" +
			"  - patch: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata:\n        name: warm-up\n      spec:\n        replicas: 2\n"),
	})
	if err != nil {
		return err
	}
	_, err = plugin.Render(ctx, tree, plugin.Request{Parameters: plugin.Parameters{
		ReleaseName: "warm-up", Namespace: "default", Overlay: "overlay",
	}}, plugin.Options{})
	return err
}
