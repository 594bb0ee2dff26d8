package cmpserver_test

import (
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// BenchmarkGenerate is one request for prod, with a connection of its own, as
// repo-server makes it.
func BenchmarkGenerate(b *testing.B) {
	for name, s := range map[string]setup{
		"rendered": {pool: worker.Options{Workers: 1}},
		"cached":   {pool: worker.Options{Workers: 1}, cache: 64 << 20, server: cmpserver.Options{KeepArchives: true}},
	} {
		b.Run(name, func(b *testing.B) {
			socket := start(b, s)
			call := cmptest.CorePipeline(b, "../..")
			call.Messages = call.All()
			if _, err := call.Generate(within(b, time.Minute), socket); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(call.Archive)), "archive-bytes")
			for b.Loop() {
				if _, err := call.Generate(within(b, time.Minute), socket); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
