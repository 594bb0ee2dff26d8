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
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// TestDifferences holds what docs/differences.md says about argocd-cmp-server.
func TestDifferences(t *testing.T) {
	chartAnd := func(e cmptest.Entry) []byte { return cmptest.Chart(t, cmptest.ConfigMap, e) }
	plain := cmptest.Call{Archive: cmptest.Chart(t, cmptest.ConfigMap)}
	wrongSize, noChecksum := plain.Metadata(), plain.Metadata()
	wrongSize.GetMetadata().Size = 1
	noChecksum.GetMetadata().Checksum = ""
	for name, tc := range map[string]struct {
		call cmptest.Call
		want string // what the error says; "" for none
	}{
		"hard link":         {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: "passwd", Link: "Chart.yaml", Kind: tar.TypeLink})}, "passwd: is not a regular file"},
		"device":            {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: "null", Kind: tar.TypeChar})}, "null: is not a regular file"},
		"pipe":              {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: "pipe", Kind: tar.TypeFifo})}, "pipe: is not a regular file"},
		"absolute name":     {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: "/etc/passwd"})}, "/etc/passwd: leaves the repository"},
		"absolute link":     {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: "etc", Link: "/etc"})}, "etc: leaves the repository"},
		"repository of git": {cmptest.Call{Archive: chartAnd(cmptest.Entry{Name: ".git/config", Data: "secret"})}, ""},
		"wrong size":        {cmptest.Call{Messages: []*cmppb.AppStreamRequest{wrongSize, cmptest.File(plain.Archive)}}, ""},
		"no checksum":       {cmptest.Call{Messages: []*cmppb.AppStreamRequest{noChecksum, cmptest.File(plain.Archive)}}, "checksum of the archive does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			rendered := fake(func(_ context.Context, r worker.Request) (worker.Result, error) {
				if _, err := r.Tree.Stat(".git"); err == nil {
					t.Error(".git is in the tree")
				}
				return worker.Result{Manifests: []string{"{}"}}, nil
			})
			_, err := tc.call.Generate(within(t, time.Minute), serveOn(t, rendered, cmpserver.Options{}))
			if tc.want == "" && err != nil {
				t.Fatal(err)
			}
			if tc.want != "" && (status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}
