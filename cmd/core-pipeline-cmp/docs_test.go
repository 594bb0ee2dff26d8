package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

const guide = "../../docs/operating.md"

func serveFlags(t *testing.T) []cli.DocGenerationFlag {
	t.Helper()
	command := newApp(io.Discard, io.Discard, os.Getenv).Command("serve")
	var out []cli.DocGenerationFlag
	for _, f := range command.Flags {
		out = append(out, f.(cli.DocGenerationFlag))
	}
	if len(out) < 15 {
		t.Fatalf("serve has %d flags", len(out))
	}
	return out
}

// flagTable is the table of the guide.
func flagTable(flags []cli.DocGenerationFlag) string {
	var out strings.Builder
	out.WriteString("| flag | variable | default | |\n|---|---|---|---|\n")
	for _, f := range flags {
		name := f.Names()[0]
		standard := fmt.Sprintf("`%s`", strings.Trim(f.GetValue(), `[]"`))
		switch {
		case name == "workers", name == "slow-workers":
			standard = "the number of CPUs"
		case f.GetValue() == "" && f.TakesValue():
			standard = "none"
		case f.GetValue() == "":
			standard = "`false`"
		}
		usage := strings.ReplaceAll(f.GetUsage(), "`", "")
		fmt.Fprintf(&out, "| `--%s` | `%s` | %s | %s |\n", name, f.GetEnvVars()[0], standard, usage)
	}
	return out.String()
}

// TestFlagsAreDocumented holds the guide's table to the flags of serve.
// UPDATE_GOLDEN=1 writes it.
func TestFlagsAreDocumented(t *testing.T) {
	data, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- flags -->\n", "<!-- /flags -->\n"
	front, rest, found := strings.Cut(string(data), begin)
	got, back, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the guide has no marks for the table")
	}
	want := flagTable(serveFlags(t))
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(guide, []byte(front+begin+want+end+back), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("`make golden` writes the table (-flags +guide):\n%s", diff)
	}
}

// TestGuideNamesFlags holds that every flag and variable in the text is one of
// serve, or of Argo CD's repo-server.
func TestGuideNamesFlags(t *testing.T) {
	data, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"--plugin-tar-exclude": true, "--plugin-use-manifest-generate-paths": true}
	for _, f := range serveFlags(t) {
		known["--"+f.Names()[0]], known[f.GetEnvVars()[0]] = true, true
	}
	names := regexp.MustCompile(`(?:^|[^-a-zA-Z<!])(--[a-z][a-z-]*|CORE_PIPELINE_[A-Z_]+)`).FindAllStringSubmatch(string(data), -1)
	if len(names) < 30 {
		t.Fatalf("the guide names %d flags and variables", len(names))
	}
	for _, m := range names {
		if !known[m[1]] {
			t.Errorf("the guide names %s, which does not exist", m[1])
		}
	}
}
