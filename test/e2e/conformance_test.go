package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/cmp"
	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/status"
)

// message is one message of a request's stream.
type message = apiclient.AppStreamRequest

// exchange is one request that both servers get, message by message, and what has to come back.
type exchange struct {
	name string
	app  app
	// repo is the repository; "" for that of this project.
	repo string
	// env changes what repo-server sends with it.
	env func([]string) []string
	// exclude is reposerver.plugin.tar.exclusions.
	exclude []string
	// entries, if not nil, replace the archive that Argo CD's client makes.
	entries []entry
	// change is what a client does that is not Argo CD's.
	change func([]*message) []*message

	// refused is part of our text of an error, that both answers have; "*" if both fail, each with its own words.
	refused string
	// difference is why the answers differ on purpose: one of docs/differences.md. serve then refuses with the text
	// of refused, or accepts if there is none, and argocd-cmp-server does the opposite.
	difference string
}

// recorder takes what Argo CD's client sends.
type recorder []*message

func (r *recorder) Send(m *message) error {
	if f := m.GetFile(); f != nil {
		m = cmp.AppFileRequest(append([]byte(nil), f.Chunk...)) // the client goes on using its buffer
	}
	*r = append(*r, m)
	return nil
}

// messages is the request as Argo CD's own code makes it, and what the case makes of that.
func (x exchange) messages(t *testing.T) []*message {
	t.Helper()
	env := x.app.environ(t)
	if x.env != nil {
		env = x.env(env)
	}
	var sent recorder
	root := filepath.Join(x.repo, filepath.FromSlash(x.app.tarRoot))
	if err := cmp.SendRepoStream(t.Context(), filepath.Join(x.repo, filepath.FromSlash(x.app.path)), root, &sent, env, x.exclude); err != nil {
		t.Fatal(err)
	}
	messages := []*message(sent)
	if x.entries != nil {
		messages = withArchive(messages, pack(t, x.entries))
	}
	if x.change != nil {
		messages = x.change(messages)
	}
	return messages
}

// withArchive replaces the archive, and what the metadata says about it.
func withArchive(messages []*message, archive []byte) []*message {
	sum := sha256.Sum256(archive)
	metadata := messages[0].GetMetadata()
	metadata.Checksum, metadata.Size_ = hex.EncodeToString(sum[:]), int64(len(archive))
	messages = messages[:1:1]
	for len(archive) > 0 {
		n := min(len(archive), 1024)
		messages = append(messages, cmp.AppFileRequest(archive[:n]))
		archive = archive[n:]
	}
	return messages
}

// archiveOf joins the chunks.
func archiveOf(messages []*message) []byte {
	var archive []byte
	for _, m := range messages {
		archive = append(archive, m.GetFile().GetChunk()...)
	}
	return archive
}

// stream is the client's side of the three methods that take a repository.
type stream[Response any] interface {
	cmp.StreamSender
	CloseAndRecv() (Response, error)
}

// call sends the messages over a new connection and returns the answer.
func call[Response any, Stream stream[Response]](t *testing.T, s *server, messages []*message,
	open func(apiclient.ConfigManagementPluginServiceClient, context.Context) (Stream, error),
) (Response, error) {
	t.Helper()
	ctx, client := s.client(t)
	stream, err := open(client, ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.Send(m); errors.Is(err, io.EOF) {
			break // the server has answered: CloseAndRecv says what
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return stream.CloseAndRecv()
}

func callGenerate(t *testing.T, s *server, messages []*message) ([]object, error) {
	t.Helper()
	r, err := call(t, s, messages, func(c apiclient.ConfigManagementPluginServiceClient, ctx context.Context) (apiclient.ConfigManagementPluginService_GenerateManifestClient, error) {
		return c.GenerateManifest(ctx)
	})
	return parse(t, r.GetManifests()...), err
}

func callParameters(t *testing.T, s *server, messages []*message) ([]string, error) {
	t.Helper()
	r, err := call(t, s, messages, func(c apiclient.ConfigManagementPluginServiceClient, ctx context.Context) (apiclient.ConfigManagementPluginService_GetParametersAnnouncementClient, error) {
		return c.GetParametersAnnouncement(ctx)
	})
	var all []string
	for _, a := range r.GetParameterAnnouncements() {
		all = append(all, a.String())
	}
	return all, err
}

func callMatch(t *testing.T, s *server, messages []*message) (string, error) {
	t.Helper()
	r, err := call(t, s, messages, func(c apiclient.ConfigManagementPluginServiceClient, ctx context.Context) (apiclient.ConfigManagementPluginService_MatchRepositoryClient, error) {
		return c.MatchRepository(ctx)
	})
	return r.String(), err
}

// pair is the two servers that have to give the same answers.
type pair struct{ exec, native *server }

// ask sends the same messages to both and compares the answers with what the case wants.
func ask[Answer any](t *testing.T, p pair, x exchange, call func(*testing.T, *server, []*message) (Answer, error)) {
	t.Helper()
	messages := x.messages(t)
	want, wantErr := call(t, p.exec, messages)
	got, gotErr := call(t, p.native, messages)
	switch {
	case x.difference != "":
		x.checkDifference(t, wantErr, gotErr)
	case x.refused != "":
		x.checkRefused(t, wantErr, gotErr)
	case wantErr != nil || gotErr != nil:
		t.Errorf("argocd-cmp-server: %v\nserve: %v", wantErr, gotErr)
	default:
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("the answers differ (-argocd-cmp-server +serve):\n%s", diff)
		}
	}
}

func (x exchange) checkRefused(t *testing.T, wantErr, gotErr error) {
	t.Helper()
	if wantErr == nil || gotErr == nil {
		t.Fatalf("both have to fail.\nargocd-cmp-server: %v\nserve: %v", wantErr, gotErr)
	}
	if x.refused == "*" {
		return
	}
	text := status.Convert(gotErr).Message()
	first, _, _ := strings.Cut(text, "\n")
	if !strings.Contains(first, x.refused) {
		t.Errorf("the first line does not say %q: %s", x.refused, first)
	}
	if !strings.Contains(wantErr.Error(), text) {
		t.Errorf("our text is not in argocd-cmp-server's.\nargocd-cmp-server: %v\nserve: %v", wantErr, gotErr)
	}
}

func (x exchange) checkDifference(t *testing.T, wantErr, gotErr error) {
	t.Helper()
	refuses := x.refused != ""
	if (gotErr != nil) != refuses || (wantErr != nil) == refuses {
		t.Fatalf("not the difference that is documented: %s\nargocd-cmp-server: %v\nserve: %v", x.difference, wantErr, gotErr)
	}
	if refuses && !strings.Contains(gotErr.Error(), x.refused) {
		t.Errorf("the text does not say %q: %v", x.refused, gotErr)
	}
}
