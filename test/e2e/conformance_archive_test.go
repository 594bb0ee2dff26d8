package e2e

import (
	"archive/tar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/util/cmp"
)

// archives are well-formed streams with entries that Argo CD's client does not write.
func archives(t *testing.T) []exchange {
	repo := writeSmallChart(t)
	small := app{name: "small", namespace: "default", path: "app"}
	later := regular("app/values.yaml", "a: later\n")
	all := []exchange{
		{name: "as it is"},
		{name: "an entry twice", entries: smallChart(later)},
		{name: "a name that is not clean", entries: smallChart(regular("./app//../app/./values.yaml", "a: later\n"))},
		{name: "a file below a file", entries: smallChart(regular("app/values.yaml/x", "")), refused: "*"},
		{name: "a file that is a directory", entries: smallChart(regular("app/templates", "")), refused: "*"},
		{name: "a name outside", entries: smallChart(regular("../x", "")), refused: "*"},
		{name: "a name outside in the middle", entries: smallChart(regular("app/../../x", "")), refused: "*"},
		{name: "a link outside", entries: smallChart(special(tar.TypeSymlink, "link", "../../x")), refused: "*"},
		{name: "a link to the link outside", entries: smallChart(special(tar.TypeSymlink, "app/up", ".."), special(tar.TypeSymlink, "app/up/x", "../x")), refused: "*"},
		{name: "a link in a loop", entries: smallChart(special(tar.TypeSymlink, "app/l", "l")), refused: "symbolic links"},
		{name: "odd modes", entries: smallChart(entry{tar.Header{Typeflag: tar.TypeReg, Name: "odd", Mode: 0o7000}, "x"}, entry{tar.Header{Typeflag: tar.TypeDir, Name: "dir", Mode: 0}, ""})},
		{name: "of another owner", entries: smallChart(entry{tar.Header{Typeflag: tar.TypeReg, Name: "other", Mode: 0o600, Uid: 12345, Uname: "somebody"}, "x"})},
		{name: "a global header", entries: smallChart(entry{tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "a commit"}}, ""})},

		{name: "a hard link", entries: smallChart(special(tar.TypeLink, "app/hard", "app/values.yaml")), refused: "app/hard", difference: differenceIrregular},
		{name: "a device", entries: smallChart(special(tar.TypeChar, "app/null", "")), refused: "app/null", difference: differenceIrregular},
		{name: "a pipe", entries: smallChart(special(tar.TypeFifo, "app/pipe", "")), refused: "app/pipe", difference: differenceIrregular},
		{name: "an absolute name", entries: smallChart(regular("/app/values.yaml", "a: later\n")), refused: "leaves the repository", difference: differenceAbsolute},
		{name: "a link with an absolute target", entries: smallChart(special(tar.TypeSymlink, "link", "/app")), refused: "link", difference: differenceAbsolute},
		{name: "a backslash", entries: smallChart(regular(`app\x`, "")), refused: `app\x`, difference: differenceBackslash},
		{name: "deep", entries: smallChart(regular(strings.Repeat("d/", 100)+"x", "")), refused: "--max-depth", difference: differenceLimits},
	}
	for i := range all {
		all[i].app, all[i].repo = small, repo
	}
	return all
}

// The differences on purpose: how their lines in docs/differences.md begin.
const (
	differenceIrregular = "Hard links, devices and pipes"
	differenceAbsolute  = "An absolute name, a link with an absolute target and an absolute path"
	differenceBackslash = "A name with a backslash"
	differenceLimits    = "The number and size of files and the depth of directories have limits"
	differenceEnd       = "What follows the end of the tar is read"
	differenceCase      = "A checksum in upper case"
)

// protocol are streams that a client has to get right.
func protocol(t *testing.T) []exchange {
	repo := writeSmallChart(t)
	small := app{name: "small", namespace: "default", path: "app"}
	resent := func(change func([]byte) []byte) func([]*message) []*message {
		return func(messages []*message) []*message { return withArchive(messages, change(archiveOf(messages))) }
	}
	meta := func(change func(m *message)) func([]*message) []*message {
		return func(messages []*message) []*message {
			change(messages[0])
			return messages
		}
	}
	all := []exchange{
		{name: "wrong checksum", change: wrongChecksum, refused: "*"},
		{name: "no checksum", change: meta(func(m *message) { m.GetMetadata().Checksum = "" }), refused: "*"},
		{name: "wrong size", change: meta(func(m *message) { m.GetMetadata().Size_ = 1 })},
		{name: "negative size", change: meta(func(m *message) { m.GetMetadata().Size_ = -1 })},
		{name: "no message", change: func([]*message) []*message { return nil }, refused: "*"},
		{name: "no metadata", change: func(m []*message) []*message { return m[1:] }, refused: "*"},
		{name: "empty first message", change: func(m []*message) []*message { return append([]*message{{}}, m[1:]...) }, refused: "*"},
		{name: "metadata twice", change: func(m []*message) []*message { return append(m[:1:1], m...) }, refused: "*"},
		{name: "metadata at the end", change: func(m []*message) []*message { return append(m, m[0]) }, refused: "*"},
		{name: "no file", change: func(m []*message) []*message { return m[:1] }, refused: "*"},
		{name: "an empty chunk", change: func(m []*message) []*message { return append(m, cmp.AppFileRequest(nil)) }},
		{name: "chunks in another order", change: func(m []*message) []*message {
			archive := archiveOf(m)
			return append(m[:1:1], cmp.AppFileRequest(archive[10:]), cmp.AppFileRequest(archive[:10]))
		}, refused: "*"},
		{name: "half an archive", change: resent(func(a []byte) []byte { return a[:len(a)/2] }), refused: "*"},
		{name: "no gzip", change: resent(func([]byte) []byte { return []byte("hello") }), refused: "*"},
		{name: "no tar", change: resent(func([]byte) []byte { return zipped(t, strings.Repeat("hello", 1000)) }), refused: "*"},
		{name: "an application outside", change: meta(func(m *message) { m.GetMetadata().AppRelPath = "../.." }), refused: "*"},
		{name: "an absolute application", change: meta(func(m *message) { m.GetMetadata().AppRelPath = "/app" }), refused: "leaves the repository", difference: differenceAbsolute},
		{name: "an application that is not there", change: meta(func(m *message) { m.GetMetadata().AppRelPath = "absent" }), refused: "*"},
		{name: "no application path", app: app{name: "small", namespace: "default", path: "."}, change: meta(func(m *message) { m.GetMetadata().AppRelPath = "" }), refused: "Chart.yaml"},

		{name: "checksum in upper case", change: meta(func(m *message) {
			m.GetMetadata().Checksum = strings.ToUpper(m.GetMetadata().Checksum)
		}), difference: differenceCase},
		{name: "no end of the archive", change: resent(func(a []byte) []byte { return a[:len(a)-4] }), refused: "EOF", difference: differenceEnd},
		{name: "more after the archive", change: resent(func(a []byte) []byte { return append(a, "more"...) }), refused: "archive", difference: differenceEnd},
	}
	for i := range all {
		if all[i].repo = repo; all[i].app.path == "" {
			all[i].app = small
		}
	}
	return all
}

func wrongChecksum(messages []*message) []*message {
	messages[0].GetMetadata().Checksum = strings.Repeat("0", 64)
	return messages
}

// TestDifferences holds the documentation to the differences that TestConformance accepts.
func TestDifferences(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range slices.Concat(archives(t), protocol(t)) {
		if x.difference != "" && !strings.Contains(string(page), "\n| "+x.difference) {
			t.Errorf("docs/differences.md does not say: %s", x.difference)
		}
	}
}
