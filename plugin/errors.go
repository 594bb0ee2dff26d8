package plugin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// maxFirstLine is how many bytes of an error Argo CD's user interface shows
// in one piece, after about 200 of its own.
const maxFirstLine = 300

// maxProblems is how many problems one message lists.
const maxProblems = 20

// Message is the text of err for people: a first line of at most 300 bytes
// that says what is wrong and where, a line for each further problem, and a
// hint on what to do where there is one. It ends without a newline.
func Message(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	if more := len(lines) - maxProblems; more > 1 {
		lines = append(lines[:maxProblems], "… and more of the kind")
	}
	for i, l := range lines {
		lines[i] = shorten(printable(l), maxFirstLine)
	}
	if h := hint(err); h != "" {
		lines = append(lines, "hint: "+h)
	}
	return strings.Join(lines, "\n")
}

// printable replaces control characters: what a request brings must not move
// the cursor of the terminal that shows it.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(line, "?"))
}

// shorten cuts from the middle: a line begins with where something is wrong,
// and ends with what is.
func shorten(line string, most int) string {
	const mark = "…"
	if len(line) <= most {
		return line
	}
	tail := most / 3
	head := most - tail - len(mark)
	return strings.ToValidUTF8(line[:head], "") + mark + strings.ToValidUTF8(line[len(line)-tail:], "")
}

func hint(err error) string {
	var violation *schemaError
	switch {
	case errors.Is(err, helm.ErrNoChart):
		return "the source's path, or the directory on the command line, must be the one that holds Chart.yaml"
	case errors.Is(err, manifest.ErrEmpty):
		return "Argo CD would delete everything the Application has; set allow-empty to true if that is meant"
	case errors.As(err, &violation):
		return "`core-pipeline render --explain` shows where every value comes from"
	case errors.Is(err, fs.ErrPermission):
		return "the file must be readable for the user that runs the plugin"
	}
	return ""
}

// didYouMean names the known word nearest to word, or the known words if none
// is near.
func didYouMean(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best, distance := "", 1+len(word)/2
	for _, k := range known {
		if len(word) > 1 && strings.HasPrefix(k, word) {
			return "; did you mean " + k + "?"
		}
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	const most = 8
	if len(known) > most {
		return ""
	}
	return "; there are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's, over the first 64 bytes.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// secretKey matches keys below which values are taken for secrets.
var secretKey = regexp.MustCompile(`(?i)secret|passw|token|credential|private|api-?_?key|dsn|connection-?_?string`)

// referenceKey matches keys that name a secret, or a part of one, and hold none:
// existingSecret, secretName, secretKeyRef, passwordKey.
var referenceKey = regexp.MustCompile(`(?i)^(existing|remote)|(name|ref|kind|type|path|class|enabled|keys)$|(secret|passwo?r?d|token|credentials?)key$`)

// minSecret is the length from which on a value is recognisable in a text.
const minSecret = 6

// secretsOf collects the secret values of a request: those of every layer and
// of the chart's own defaults, where these can be read.
func secretsOf(ctx context.Context, tree fs.FS, req Request, layers []values.Layer, merged *values.Merged) []string {
	var secrets []string
	findSecrets(merged.Values, false, &secrets)
	if all, err := withDefaults(ctx, tree, req, layers); err == nil {
		findSecrets(all.Values, false, &secrets)
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// redact removes secrets from the text of err: a chart may put any value into
// the message of `fail`, and so may the libraries underneath.
func redact(err error, secrets []string) error {
	text := err.Error()
	for _, s := range secrets {
		for _, form := range forms(s) {
			text = strings.ReplaceAll(text, form, "[redacted]")
		}
	}
	if text == err.Error() {
		return err
	}
	return &redactedError{text: text, err: err}
}

// forms lists how a text may hold secret: whole or, where toYaml or indent take
// it apart, line by line; each as it is, in base64, and as printf "%q", toJson
// and toYaml quote it.
func forms(secret string) []string {
	parts := []string{secret}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= minSecret {
			parts = append(parts, line)
		}
	}
	var out []string
	for _, p := range parts {
		inGo := strconv.Quote(p)
		out = append(out, p, base64.StdEncoding.EncodeToString([]byte(p)), inGo[1:len(inGo)-1], strings.ReplaceAll(p, "'", "''"))
		if inJSON, err := json.Marshal(p); err == nil {
			out = append(out, string(inJSON[1:len(inJSON)-1]))
		}
	}
	return out
}

func findSecrets(value any, secret bool, out *[]string) {
	switch v := value.(type) {
	case map[string]any:
		for k, item := range v {
			findSecrets(item, (secret || secretKey.MatchString(k)) && !referenceKey.MatchString(k), out)
		}
	case []any:
		for _, item := range v {
			findSecrets(item, secret, out)
		}
	case string:
		if secret && len(v) >= minSecret {
			*out = append(*out, v)
		}
	}
}

// redactedError keeps the identity of an error and replaces its text.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }
