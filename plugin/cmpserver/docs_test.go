package cmpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// causes are errors of the reasons that are not a worker's.
var causes = map[string]error{
	reasonLimit: source.ErrLimit, reasonChecksum: source.ErrChecksum, reasonArchive: source.ErrOutside, reasonReceive: errReceive,
}

// TestReasonsAreDocumented holds the table of docs/operating.md to the reasons
// and their codes.
func TestReasonsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `([A-Z][A-Za-z]+)` \\|").FindAllStringSubmatch(string(data), -1) {
		documented[row[1]] = row[2]
	}
	for _, want := range Reasons() {
		cause := causes[want]
		if cause == nil {
			cause = &worker.Error{Reason: want, Text: want}
		}
		reason, answer := describe(cause)
		if reason != want {
			t.Errorf("%v has the reason %s, want %s", cause, reason, want)
		}
		if got := documented[want]; got != status.Code(answer).String() {
			t.Errorf("%s is documented with the code %q, want %s", want, got, status.Code(answer))
		}
		delete(documented, want)
	}
	for reason := range documented {
		t.Errorf("%s is documented and does not exist", reason)
	}
}

// TestReasonsAreComplete reads the constants of both files: a reason that is
// not listed would have no series and no row.
func TestReasonsAreComplete(t *testing.T) {
	constant := regexp.MustCompile(`(?m)^\s+[Rr]eason[A-Z][A-Za-z]+ *= "([a-z]+)"`)
	found := 0
	for _, file := range []string{"errors.go", "../worker/errors.go"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(data), -1) {
			found++
			if m[1] != reasonOK && !slices.Contains(Reasons(), m[1]) {
				t.Errorf("Reasons has no %s", m[1])
			}
		}
	}
	if found != len(Reasons())+1 {
		t.Errorf("the files have %d reasons, and Reasons %d and ok", found, len(Reasons()))
	}
}

// TestUnknownErrors holds that what nobody thought of has a reason, too.
func TestUnknownErrors(t *testing.T) {
	if reason, _ := describe(errors.New("something")); !slices.Contains(Reasons(), reason) {
		t.Errorf("the reason is %s", reason)
	}
}

// TestLogFieldsAreDocumented holds the table of the log's fields to a line.
func TestLogFieldsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\n## Logs\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\|((?: `[A-Za-z_]+`,?)+) \\|").FindAllStringSubmatch(section, -1) {
		for name := range strings.SplitSeq(row[1], ",") {
			documented[strings.Trim(name, " `")] = true
		}
	}
	var line bytes.Buffer
	s := &server{opts: Options{Logger: slog.New(slog.NewJSONHandler(&line, nil))}}
	s.log(methodGenerate, repository{}, reasonArchive, errReceive, "trace", time.Second, time.Second)
	var fields map[string]any
	if err := json.Unmarshal(line.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, slog.TimeKey)
	delete(fields, slog.LevelKey)
	for name := range fields {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("no line has %s", name)
	}
}
