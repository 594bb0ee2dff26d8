package helm

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	// frame is one step of text/template's chain of causes:
	// template: FILE:LINE:COLUMN: executing "NAME" at <EXPRESSION>:
	frame = regexp.MustCompile(`template: ([^\s:]+):(\d+)(?::(\d+))?: (?:executing "(?:[^"\\]|\\.)*" at <[^\n]*?>: )?`)
	// located is Helm's own form: "parse error at (FILE:LINE): …".
	located = regexp.MustCompile(`(?s)^(?:parse|execution) error (?:at|in) \(([^)\s]+)\): (.*)$`)
	// quoted matches a Go string literal in a message: most often a value.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	// named are the messages that quote a name of the template's own text.
	named = regexp.MustCompile(`(?:template|function|field|key|variable|undefined variable|reference name:) ("[^"\s]{1,80}")`)
	calls = regexp.MustCompile(`^error calling (?:include|tpl): `)
)

// The phrases before and in the text that Helm puts around a failing tpl.
const (
	tplParse = "cannot parse template "
	tplExec  = "error during tpl function execution for "
)

// templateError describes a failing template by the innermost place that is a
// file, and by the cause there. The texts that Helm and text/template quote on
// the way may be values: they are left out.
func (c *Chart) templateError(err error) error {
	// The message of a template may be of any size; the frames come first.
	const most = 256 << 10
	text := err.Error()
	text = text[:min(len(text), most)]
	if m := located.FindStringSubmatch(text); m != nil {
		message := m[2]
		if strings.HasPrefix(text, "parse") {
			message = "not a valid template: " + withoutValues(message)
		}
		return fmt.Errorf("%s: %s", c.sourcePath(m[1]), message)
	}
	// A text that is given to tpl has the name of no file: its frames count
	// for the cause only.
	at, via, rest := "", "", text
	for {
		m := frame.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		switch file := rest[m[2]:m[3]]; {
		case strings.HasPrefix(file, c.Name()+"/"):
			at, via = c.sourcePath(file)+":"+rest[m[4]:m[5]], ""
			if m[6] >= 0 {
				at += ":" + rest[m[6]:m[7]]
			}
		case strings.Contains(rest[:m[0]], tplParse):
			via = "the text given to tpl is not a template: "
		case strings.Contains(rest[:m[0]], tplExec):
			via = "in the text given to tpl: "
		}
		rest = rest[m[1]:]
	}
	if at == "" {
		at = c.dir + ": rendering"
	}
	return errors.New(at + ": " + via + withoutValues(rest))
}

// withoutValues removes quoted texts, except names that the template wrote.
func withoutValues(cause string) string {
	keep := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(cause, -1) {
		keep[m[1]] = true
	}
	cause = quoted.ReplaceAllStringFunc(cause, func(q string) string {
		if keep[q] {
			return q
		}
		return `"…"`
	})
	for calls.MatchString(cause) {
		cause = calls.ReplaceAllString(cause, "")
	}
	return strings.TrimSpace(cause)
}
