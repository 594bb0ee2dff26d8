package cmpserver

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// errReceive is returned when a stream does not come to its end.
var errReceive = errors.New("the repository was not received in time (--receive-timeout)")

// The reasons, for metrics and logs, of what goes wrong before there is a
// render; the others are those of package worker.
const (
	reasonOK       = "ok"
	reasonLimit    = "limit"
	reasonChecksum = "checksum"
	reasonArchive  = "archive"
	reasonReceive  = "receive"
)

// Reasons lists all values that the result of a request can have but "ok".
func Reasons() []string {
	return append(worker.Reasons(), reasonLimit, reasonChecksum, reasonArchive, reasonReceive)
}

// limitHint names what else can be done than raising a limit: these are
// settings of repo-server.
const limitHint = "hint: send less, with reposerver.plugin.tar.exclusions or reposerver.plugin.use.manifest.generate.paths in argocd-cmd-params-cm, or raise the flag"

// describe returns the reason of err, and what goes to repo-server. Argo CD
// puts the code before the text and looks at neither.
func describe(err error) (reason string, answer error) {
	var failed *worker.Error
	code := codes.InvalidArgument
	text := plugin.Message(err)
	switch {
	case errors.As(err, &failed):
		reason, code = failed.Reason, renderCode(failed.Reason)
	case errors.Is(err, source.ErrLimit):
		reason, code, text = reasonLimit, codes.ResourceExhausted, text+"\n"+limitHint
	case errors.Is(err, source.ErrChecksum):
		reason = reasonChecksum
	case errors.Is(err, errReceive), status.Code(err) == codes.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded):
		reason, code = reasonReceive, codes.DeadlineExceeded
	case status.Code(err) == codes.Canceled, errors.Is(err, context.Canceled):
		reason, code = worker.ReasonCanceled, codes.Canceled
	case status.Code(err) == codes.ResourceExhausted:
		reason, code = reasonLimit, codes.ResourceExhausted
		text = "a message of the stream is larger than 100 MiB; lower ARGOCD_CMP_CHUNK_SIZE of repo-server"
	default:
		reason = reasonArchive
	}
	return reason, status.Error(code, text)
}

func renderCode(reason string) codes.Code {
	switch reason {
	case worker.ReasonInvalid:
		return codes.InvalidArgument
	case worker.ReasonCanceled:
		return codes.Canceled
	case worker.ReasonMemory, worker.ReasonPreempted:
		return codes.ResourceExhausted
	case worker.ReasonShutdown:
		return codes.Unavailable
	case worker.ReasonCrash:
		return codes.Internal
	}
	return codes.DeadlineExceeded
}
