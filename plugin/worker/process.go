package worker

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// Run is the life of a process: it does jobs from in until in ends, and talks
// about them on out. stage is told what begins.
func Run(ctx context.Context, in io.Reader, out io.Writer, stage func(string)) error {
	tree := &remoteTree{decoder: gob.NewDecoder(in), encoder: gob.NewEncoder(out)}
	for {
		var j job
		if err := tree.decoder.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		r := do(ctx, tree, j, stage)
		if tree.broken != nil {
			return tree.broken
		}
		if err := tree.encoder.Encode(said{Result: &r}); err != nil {
			return fmt.Errorf("writing a result: %w", err)
		}
	}
}

func do(ctx context.Context, tree source.Tree, j job, stage func(string)) result {
	var r result
	var err error
	if j.Announce {
		r.Announcements, err = plugin.Announce(tree, j.Request.Dir)
	} else {
		var list manifest.List
		if list, err = plugin.Render(ctx, tree, j.Request, plugin.Options{Stage: stage}); err == nil {
			r.Manifests, err = manifest.JSON(list)
		}
	}
	if err != nil {
		return result{Error: plugin.Message(err)}
	}
	return r
}

// remoteTree is the tree on the other side of the pipe.
type remoteTree struct {
	decoder *gob.Decoder
	encoder *gob.Encoder
	// broken is why the pipe cannot be used any more.
	broken error
}

var _ source.Tree = (*remoteTree)(nil)

func (t *remoteTree) ask(op operation, name string) (answer, error) {
	var a answer
	if t.broken != nil {
		return a, t.broken
	}
	err := t.encoder.Encode(said{Ask: &ask{op, name}})
	if err == nil {
		err = t.decoder.Decode(&a)
	}
	if err != nil {
		t.broken = fmt.Errorf("asking for a file: %w", err)
		return a, t.broken
	}
	return a, a.Problem.err()
}

func (t *remoteTree) Stat(name string) (fs.FileInfo, error) {
	a, err := t.ask(opStat, name)
	if err != nil {
		return nil, err
	}
	return a.Info, nil
}

func (t *remoteTree) ReadFile(name string) ([]byte, error) {
	a, err := t.ask(opRead, name)
	return a.Data, err
}

func (t *remoteTree) ReadDir(name string) ([]fs.DirEntry, error) {
	a, err := t.ask(opList, name)
	entries := make([]fs.DirEntry, len(a.Entries))
	for i, e := range a.Entries {
		entries[i] = e
	}
	return entries, err
}

// Open implements fs.FS for readers of files; directories are listed by
// ReadDir.
func (t *remoteTree) Open(name string) (fs.File, error) {
	stat, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a directory")}
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &openFile{bytes.NewReader(data), stat}, nil
}

type openFile struct {
	*bytes.Reader
	stat fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.stat, nil }
func (f *openFile) Close() error               { return nil }

// lookUp answers an ask from tree.
func lookUp(tree source.Tree, a ask) answer {
	switch a.Op {
	case opStat:
		i, err := tree.Stat(a.Name)
		if err != nil {
			return answer{Problem: problemOf(err)}
		}
		return answer{Info: infoOf(i)}
	case opRead:
		data, err := tree.ReadFile(a.Name)
		return answer{Data: data, Problem: problemOf(err)}
	case opList:
		entries, err := tree.ReadDir(a.Name)
		out := make([]info, 0, len(entries))
		for _, e := range entries {
			i := info{FileName: e.Name(), FileMode: e.Type()}
			out = append(out, i)
		}
		return answer{Entries: out, Problem: problemOf(err)}
	}
	return answer{Problem: problem{Text: "unknown operation"}}
}
