// Package edgetest is what the scripts of both programs share.
//
// In: nothing but testdata/script beside the test. Out: the parameters of
// testscript. Only tests import it.
package edgetest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// Params returns the parameters for testdata/script. In a script, $REPO is
// this repository, and `exits CODE PROGRAM ARGS…` runs a program that must end
// with that exit code.
func Params(update bool) testscript.Params {
	return testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs(filepath.Join("..", ".."))
			env.Setenv("REPO", root)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "prepend": prepend},
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// prepend writes COUNT times TEXT in front of a file's content.
func prepend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: prepend FILE COUNT TEXT")
	}
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	at := ts.MkAbs(args[0])
	old, err := os.ReadFile(at)
	ts.Check(err)
	data := make([]byte, 0, count*len(args[2])+len(old))
	for range count {
		data = append(data, args[2]...)
	}
	ts.Check(os.WriteFile(at, append(data, old...), 0o600))
}
