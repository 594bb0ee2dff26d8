package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

const parametersCategory = "Parameters"

// parameterFlags returns a flag for each parameter, of the same name.
func parameterFlags() []cli.Flag {
	var flags []cli.Flag
	for _, d := range plugin.Definitions() {
		switch {
		case d.Switch != nil:
			flags = append(flags, &cli.BoolFlag{Name: d.Name, Usage: d.Tooltip, Category: parametersCategory})
		case d.Text != nil:
			flags = append(flags, &cli.StringFlag{Name: d.Name, Usage: d.Tooltip, Category: parametersCategory})
		default:
			flags = append(flags, &cli.StringSliceFlag{Name: d.Name, Usage: d.Tooltip, Category: parametersCategory})
		}
	}
	return flags
}

// readParameters reads the flags that parameterFlags made.
func readParameters(c *cli.Context) (plugin.Parameters, error) {
	var p plugin.Parameters
	for _, d := range plugin.Definitions() {
		switch {
		case d.Switch != nil:
			*d.Switch(&p) = c.Bool(d.Name)
		case d.Text != nil:
			*d.Text(&p) = c.String(d.Name)
		case d.List != nil:
			*d.List(&p) = c.StringSlice(d.Name)
		default:
			table, err := readTable(c, d.Name)
			if err != nil {
				return p, err
			}
			*d.Table(&p) = table
		}
	}
	return p, nil
}

func readTable(c *cli.Context, name string) (map[string]string, error) {
	table := map[string]string{}
	for _, assignment := range c.StringSlice(name) {
		key, value, ok := cutAssignment(assignment)
		if !ok {
			return nil, edge.Usage(c, "--%s: expected path=value", name)
		}
		if _, ok := table[key]; ok {
			return nil, edge.Usage(c, "--%s: %s is given twice", name, key)
		}
		table[key] = value
	}
	return table, nil
}

// cutAssignment cuts at the first = that no backslash precedes.
func cutAssignment(s string) (key, value string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '=':
			return s[:i], s[i+1:], i > 0
		}
	}
	return "", "", false
}

// examples formats lines for the description of a command.
func examples(lines ...string) string {
	return fmt.Sprintf("Examples:\n  %s", strings.Join(lines, "\n  "))
}
