package cmpserver_test

import (
	"archive/tar"
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// TestDifferences holds what docs/differences.md says about argocd-cmp-server.
func TestDifferences(t *testing.T) {
	chartAnd := func(e entry) []byte { return chart(t, configMap, e) }
	plain := call{archive: chart(t, configMap)}
	wrongSize, noChecksum := plain.metadata(), plain.metadata()
	wrongSize.GetMetadata().Size = 1
	noChecksum.GetMetadata().Checksum = ""
	for name, tc := range map[string]struct {
		call call
		want string // what the error says; "" for none
	}{
		"hard link":         {call{archive: chartAnd(entry{name: "passwd", link: "Chart.yaml", kind: tar.TypeLink})}, "passwd: is not a regular file"},
		"device":            {call{archive: chartAnd(entry{name: "null", kind: tar.TypeChar})}, "null: is not a regular file"},
		"pipe":              {call{archive: chartAnd(entry{name: "pipe", kind: tar.TypeFifo})}, "pipe: is not a regular file"},
		"absolute name":     {call{archive: chartAnd(entry{name: "/etc/passwd"})}, "/etc/passwd: leaves the repository"},
		"absolute link":     {call{archive: chartAnd(entry{name: "etc", link: "/etc"})}, "etc: leaves the repository"},
		"repository of git": {call{archive: chartAnd(entry{name: ".git/config", data: "secret"})}, ""},
		"wrong size":        {call{messages: []*cmppb.AppStreamRequest{wrongSize, file(plain.archive)}}, ""},
		"no checksum":       {call{messages: []*cmppb.AppStreamRequest{noChecksum, file(plain.archive)}}, "checksum of the archive does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := fake(func(_ context.Context, r worker.Request) (worker.Result, error) {
				if _, err := r.Tree.Stat(".git"); err == nil {
					t.Error(".git is in the tree")
				}
				return worker.Result{Manifests: []string{"{}"}}, nil
			})
			_, err := generate(within(t, time.Minute), serveOn(t, rendered, cmpserver.Options{}), tc.call)
			if tc.want == "" && err != nil {
				t.Fatal(err)
			}
			if tc.want != "" && (status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
