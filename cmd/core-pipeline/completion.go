package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
)

// The scripts ask the program itself what could follow.
const bashCompletion = `_core_pipeline() {
  local cur="${COMP_WORDS[COMP_CWORD]}" words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ "$cur" == -* ]] && words+=("$cur")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _core_pipeline core-pipeline
`

const zshCompletion = `#compdef core-pipeline
_core_pipeline() {
  local cur="${words[CURRENT]}"
  local -a line offers
  line=("${(@)words[1,CURRENT-1]}")
  [[ "$cur" == -* ]] && line+=("$cur")
  offers=("${(@f)$("${line[@]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n "${offers[1]}" ]]; then
    compadd -a offers
  fi
  _files
}
compdef _core_pipeline core-pipeline
`

func completionCommand(app *cli.App, stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a completion script for bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		Description: examples("source <(core-pipeline completion bash)",
			"source <(core-pipeline completion zsh)",
			"core-pipeline completion fish > ~/.config/fish/completions/core-pipeline.fish"),
		BashComplete: func(*cli.Context) { fmt.Fprint(stdout, "bash\nzsh\nfish\n") }, //nolint:errcheck // a completion has no errors
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return edge.Usage(c, "one shell is expected: bash, zsh or fish")
			}
			var script string
			switch shell := c.Args().First(); shell {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				var err error
				if script, err = app.ToFishCompletion(); err != nil {
					return fmt.Errorf("writing the completion script: %w", err)
				}
			default:
				return edge.Usage(c, "shell %q: expected bash, zsh or fish", shell)
			}
			_, err := io.WriteString(stdout, script)
			return err
		},
	}
}
