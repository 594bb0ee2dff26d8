package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

// Exit codes of both programs.
const (
	ExitOK    = 0
	ExitError = 1 // the input is wrong
	ExitUsage = 2 // the command line is wrong
	ExitLimit = watchdog.ExitCode
)

// Main runs app with the arguments of the process until it ends or is
// interrupted, and returns the exit code.
func Main(app *cli.App) int {
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	Harden()
	silence()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A template cannot be interrupted: a second signal ends the process.
	context.AfterFunc(ctx, stop)
	return Run(ctx, app, os.Args, stderr)
}

// Run prepares app, runs it and reports its error on stderr.
func Run(ctx context.Context, app *cli.App, args []string, stderr io.Writer) int {
	prepare(app, stderr)
	err := app.RunContext(ctx, args)
	if err == nil {
		return ExitOK
	}
	code, text := ExitError, plugin.Message(err)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		code = ExitUsage
		text += fmt.Sprintf("\nhint: %s --help shows what is possible", usage.command)
	case errors.Is(err, context.Canceled):
		text = "interrupted"
	}
	fmt.Fprintf(stderr, "%s: %s\n", app.Name, text) //nolint:errcheck // there is nowhere else to say it
	return code
}

type usageError struct {
	error
	command string
}

func (e usageError) Unwrap() error { return e.error }

// Usage makes an error of the command line: exit code 2 and a hint to the help
// of c's command.
func Usage(c *cli.Context, format string, args ...any) error {
	return usageError{error: fmt.Errorf(format, args...), command: commandName(c)}
}

func commandName(c *cli.Context) string {
	if c.Command == nil || c.Command.Name == "" || c.Command.Name == c.App.Name {
		return c.App.Name
	}
	if c.Command.HelpName != "" {
		return c.Command.HelpName // has the names of the groups around it
	}
	return c.App.Name + " " + c.Command.Name
}

// prepare closes the ways in which the library would print to standard output,
// end the process or change arguments by itself.
func prepare(app *cli.App, stderr io.Writer) {
	app.ErrWriter = stderr
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.DisableSliceFlagSeparator = true
	app.HideVersion = true
	onUsage := func(c *cli.Context, err error, _ bool) error { return Usage(c, "%w%s", err, suggestion(c, err)) }
	app.OnUsageError = onUsage
	app.Action = func(c *cli.Context) error {
		if c.Args().Present() {
			return Usage(c, "unknown command %q", c.Args().First())
		}
		return Usage(c, "a command is missing")
	}
	prepareCommands(app.Commands, app.Action, onUsage)
}

// prepareCommands does the same for commands, and for the commands of groups.
func prepareCommands(commands []*cli.Command, missing cli.ActionFunc, onUsage cli.OnUsageErrorFunc) {
	for _, command := range commands {
		command.OnUsageError = onUsage
		// "help" is where a directory is expected; completion must not offer it.
		command.HideHelpCommand = true
		if len(command.Subcommands) > 0 {
			command.Action = missing
			prepareCommands(command.Subcommands, missing, onUsage)
		}
	}
}

// Harden takes from the process what a render must never use, as the last
// line of defence behind the checks that refuse it by name: the network by
// Go's default client, programs found by PATH, and the standard logger, to
// which libraries write values.
func Harden() {
	log.SetOutput(io.Discard)
	http.DefaultTransport = refuse{}
	http.DefaultClient = &http.Client{Transport: refuse{}}
	_ = os.Unsetenv("PATH") // cannot fail for a valid name
}

// silence takes the standard streams from what was not given them: libraries
// would put warnings in front of our one line, or between manifests.
func silence() {
	if nothing, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stdout, os.Stderr = nothing, nothing
	}
}

// suggestion names the flag that the author of err may have meant.
func suggestion(c *cli.Context, err error) string {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok || c.Command == nil {
		return ""
	}
	if meant := cli.SuggestFlag(c.Command.Flags, name, true); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return ""
}

type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("rendering opens no connections")
}
