package serve

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// attack is a hostile request and what has to become of it.
type attack struct {
	name string
	// call is sent as it is, unless do sends something by itself.
	call cmptest.Call
	do   func(ctx context.Context, socket string) error
	// want are parts of the error, with | between alternatives; none means that
	// it is survived with a result.
	want []string
}

// entries is an attack by an archive with a good chart and these entries.
func entries(t testing.TB, name string, more []cmptest.Entry, want ...string) attack {
	t.Helper()
	return raw(name, cmptest.Chart(t, cmptest.ConfigMap, more...), want...)
}

// raw is an attack by an archive.
func raw(name string, archive []byte, want ...string) attack {
	return attack{name: name, call: cmptest.Call{Archive: archive, Env: cmptest.Env("attack", "null")}, want: want}
}

// members packs data as a gzip stream of which the second part comes many
// times: a bomb of any size at the price of one part.
func members(t testing.TB, first, middle []byte, times int) []byte {
	t.Helper()
	pack := func(data []byte) []byte {
		var out bytes.Buffer
		gz, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
		_, _ = gz.Write(data)                                    // into memory
		_ = gz.Close()
		return out.Bytes()
	}
	return bytes.Join([][]byte{pack(first), bytes.Repeat(pack(middle), times)}, nil)
}

// header is an entry without its content.
func header(t testing.TB, h tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	h.Mode = 0o644
	if err := tar.NewWriter(&out).WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	_, _ = gz.Write(data) // into memory
	_ = gz.Close()
	return out.Bytes()
}

const gigabyte = 1 << 30

func archiveAttacks(t testing.TB) []attack {
	t.Helper()
	whole := cmptest.Chart(t, cmptest.ConfigMap)
	zeros := make([]byte, 1<<20)
	chartBomb := members(t, header(t, tar.Header{Name: "dep/values.yaml", Size: gigabyte, Typeflag: tar.TypeReg}), zeros, 1024)
	badChecksum := header(t, tar.Header{Name: "a", Size: 1, Typeflag: tar.TypeReg})
	badChecksum[0] ^= 1
	kind := func(k byte) []cmptest.Entry { return []cmptest.Entry{{Name: "special", Link: "Chart.yaml", Kind: k}} }
	file := func(name, data string) []cmptest.Entry { return []cmptest.Entry{{Name: name, Data: data}} }
	links := func(pairs ...string) (out []cmptest.Entry) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, cmptest.Entry{Name: pairs[i], Link: pairs[i+1]})
		}
		return out
	}
	const outside, irregular = "leaves the repository", "is not a regular file"
	return []attack{
		entries(t, "name with ..", file("../evil", "x"), "../evil", outside),
		entries(t, "name with .. inside", file("a/../../evil", "x"), outside),
		entries(t, "absolute name", file("/etc/evil", "x"), "/etc/evil", outside),
		entries(t, "backslashes", file(`..\evil`, "x"), outside),
		entries(t, "link with ..", links("evil", "../../etc/passwd"), "evil", outside),
		entries(t, "absolute link", links("evil", "/etc/passwd"), "evil", outside),
		entries(t, "links that leave in two steps", links("b", "templates", "evil", "b/../../etc"), outside),
		entries(t, "file below a link", append(links("a", "templates"), file("a/b.yaml", "x")...), "file already exists"),
		entries(t, "links in a circle", links("x", "y", "y", "x"), "too many levels of symbolic links"),
		entries(t, "hard link", kind(tar.TypeLink), "special", irregular),
		entries(t, "character device", kind(tar.TypeChar), "special", irregular),
		entries(t, "block device", kind(tar.TypeBlock), "special", irregular),
		entries(t, "pipe", kind(tar.TypeFifo), "special", irregular),
		entries(t, "file below a file", append(file("a", "x"), file("a/b", "x")...), "file already exists"),
		entries(t, "same file twice", append(file("a", "x"), file("a", "y")...)),
		entries(t, "deep directories", file(strings.Repeat("d/", 100)+"x", "x"), "--max-depth"),
		entries(t, "long name", file(strings.Repeat("n", 5000), "x"), "--max-depth"),
		entries(t, "large file", file("large", strings.Repeat("x", 17<<20)), "large", "--max-file-bytes"),
		raw("bomb in a file", members(t, header(t, tar.Header{Name: "bomb", Size: 10 * gigabyte, Typeflag: tar.TypeReg}), zeros, 1024), "bomb", "--max-file-bytes"),
		raw("bomb in many files", bombInFiles(t, zeros), "--max-total-bytes", "reposerver.plugin.tar.exclusions"),
		raw("bomb in .git", members(t, header(t, tar.Header{Name: ".git/pack", Size: 100 * gigabyte, Typeflag: tar.TypeReg}), zeros, 1024), ".git/pack", "--max-total-bytes"),
		raw("bomb behind the end", members(t, endOfTar(t), zeros, 1024), "Chart.yaml"),
		raw("a million entries", members(t, nil, bytes.Repeat(header(t, tar.Header{Name: "e", Typeflag: tar.TypeReg}), 1000), 1000), "--max-files"),
		raw("a million entries of .git", members(t, nil, bytes.Repeat(header(t, tar.Header{Name: ".git/e", Typeflag: tar.TypeReg}), 1000), 1000), "--max-files"),
		raw("file that is not all there", gzipped(append(header(t, tar.Header{Name: "a", Size: 1000, Typeflag: tar.TypeReg}), 'x')), "a: unexpected EOF"),
		raw("header that is broken", gzipped(badChecksum), "archive"),
		raw("not a tar", gzipped([]byte(strings.Repeat("no tar ", 1000))), "archive"),
		raw("not a gzip", []byte(strings.Repeat("no gzip ", 1000)), "archive"),
		raw("half of a gzip", whole[:len(whole)/2], "unexpected EOF"),
		raw("wrong CRC", append(bytes.Clone(whole[:len(whole)-8]), 0, 0, 0, 0, 0, 0, 0, 0), "archive"),
		raw("empty archive", gzipped(make([]byte, 1024)), "Chart.yaml"),
		entries(t, "bomb in a packed chart", file("charts/dep-1.0.0.tgz", string(chartBomb)), "dep-1.0.0.tgz"),
		entries(t, "packed chart that leaves", []cmptest.Entry{{Name: "charts/dep-1.0.0.tgz", Data: string(cmptest.Pack(t, cmptest.Entry{Name: "../evil", Data: "x"}))}}, "dep-1.0.0.tgz"),
		entries(t, "link to itself as values", links("values.yaml", "values.yaml"), "values.yaml"),
		entries(t, "link to .git", append(links("values.yaml", ".git/config"), file(".git/config", "a: b")...), "values.yaml"),
		entries(t, "templates that are a link to the whole", links("templates/all", ".."), "templates/all/templates/all/"),
	}
}

func endOfTar(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := tar.NewWriter(&out).Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bombInFiles has files none of which is too large.
func bombInFiles(t testing.TB, megabyte []byte) []byte {
	t.Helper()
	return members(t, nil, append(header(t, tar.Header{Name: "part", Size: int64(len(megabyte)), Typeflag: tar.TypeReg}), megabyte...), 300)
}

// streamAttacks are wrong in what is around the archive.
func streamAttacks(t testing.TB) []attack {
	t.Helper()
	call := good(t, "attack")
	metadata, chunk := call.Metadata(), cmptest.File(call.Archive)
	with := func(change func(*cmptest.Call)) cmptest.Call {
		c := good(t, "attack")
		change(&c)
		return c
	}
	messages := func(m ...*cmppb.AppStreamRequest) cmptest.Call {
		return with(func(c *cmptest.Call) { c.Messages = m })
	}
	sizeLie := good(t, "attack").All()
	sizeLie[0].GetMetadata().Size = 1 << 60
	noChecksum := good(t, "attack").All()
	noChecksum[0].GetMetadata().Checksum = ""
	const noMetadata, noFile = "the first message of the stream has no metadata", "has no part of the archive"
	return []attack{
		{name: "wrong checksum", call: with(func(c *cmptest.Call) { c.Checksum = strings.Repeat("0", 64) }), want: []string{"checksum"}},
		{name: "checksum that is none", call: with(func(c *cmptest.Call) { c.Checksum = "../../etc" }), want: []string{"checksum"}},
		{name: "no checksum", call: messages(noChecksum...), want: []string{"checksum"}},
		{name: "size that is a lie", call: messages(sizeLie...)},
		{name: "no metadata", call: messages(chunk), want: []string{noMetadata}},
		{name: "late metadata", call: messages(chunk, metadata), want: []string{noMetadata}},
		{name: "metadata twice", call: messages(metadata, metadata, chunk), want: []string{noFile}},
		{name: "metadata in the middle", call: messages(metadata, chunk, metadata), want: []string{noFile}},
		{name: "empty message", call: messages(&cmppb.AppStreamRequest{}), want: []string{noMetadata}},
		{name: "no file", call: messages(metadata), want: []string{"EOF"}},
		{name: "nothing at all", do: func(ctx context.Context, socket string) error { return begin(ctx, socket, nil, true) }, want: []string{"EOF"}},
		{name: "giant message", call: messages(metadata, cmptest.File(make([]byte, 101<<20))), want: []string{"larger"}},
		{name: "chunks of one byte", call: with(func(c *cmptest.Call) { c.Chunk = 1 })},
		{name: "sender that stops", do: func(ctx context.Context, socket string) error {
			return begin(ctx, socket, []*cmppb.AppStreamRequest{metadata}, false)
		}, want: []string{"--receive-timeout"}},
		{name: "sender that disappears", do: disappear(metadata), want: []string{"anceled"}},
		{name: "path that leaves", call: with(func(c *cmptest.Call) { c.Path = "../../etc" }), want: []string{"leaves the repository"}},
		{name: "absolute path", call: with(func(c *cmptest.Call) { c.Path = "/etc" }), want: []string{"leaves the repository"}},
		{name: "path that is not there", call: with(func(c *cmptest.Call) { c.Path = "absent" }), want: []string{"absent"}},
		{name: "giant variable", call: with(func(c *cmptest.Call) { c.Env["ARGOCD_ENV_X"] = strings.Repeat("x", 10<<20) })},
		{name: "a hundred thousand variables", call: with(func(c *cmptest.Call) {
			for i := range 100_000 {
				c.Env[fmt.Sprint("ARGOCD_ENV_", i)] = "x"
			}
		})},
	}
}

// begin sends messages, ends the stream if it is told to, and waits for the
// answer.
func begin(ctx context.Context, socket string, messages []*cmppb.AppStreamRequest, end bool) error {
	client, hangUp, err := cmptest.Dial(socket)
	if err != nil {
		return err
	}
	defer hangUp()
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	if end {
		_, err = stream.CloseAndRecv()
		return err
	}
	return stream.RecvMsg(&cmppb.ManifestResponse{})
}

// disappear hangs up in the middle.
func disappear(metadata *cmppb.AppStreamRequest) func(context.Context, string) error {
	return func(ctx context.Context, socket string) error {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(20*time.Millisecond, cancel)
		return begin(ctx, socket, []*cmppb.AppStreamRequest{metadata, cmptest.File([]byte("half"))}, false)
	}
}
