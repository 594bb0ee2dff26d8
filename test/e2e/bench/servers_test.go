package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/util/tgzstream"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// effort is how much is measured.
type effort struct {
	rounds int
	// each is how long the clients of a cell call in a round; a cell that has taken longer than most sits out.
	each, most   time.Duration
	applications int
	clients      []int
	files        []int
	objects      []int
}

var (
	fullEffort = effort{
		rounds: 3, each: time.Second, most: 8 * time.Second, applications: 64,
		clients: []int{1, 4, 16}, files: []int{300, 1000}, objects: []int{30, 100},
	}
	shortEffort = effort{rounds: 1, each: 100 * time.Millisecond, most: time.Second, applications: 8, clients: []int{1, 4}}
)

// row is a peer and what its clients send: the same archive every time, or one of another commit.
type row struct {
	name, peer string
	commits    bool
}

var rows = []row{
	{peerShell, peerShell, false},
	{peerGenerate, peerGenerate, false},
	{peerDrain, peerDrain, false},
	{peerWalk, peerWalk, false},
	{peerUncached, peerUncached, false},
	{rowSame, peerServe, false},
	{rowCommit, peerServe, true},
}

// BenchmarkServers measures everything once; -benchtime 1x.
func BenchmarkServers(b *testing.B) {
	for _, name := range []string{"HELM3", "KUSTOMIZE"} {
		if os.Getenv(name) == "" {
			if os.Getenv("BENCH_REQUIRED") != "" {
				b.Fatalf("BENCH_REQUIRED is set and %s is not", name)
			}
			b.Skipf("%s names the program to compare with", name)
		}
	}
	e := fullEffort
	if os.Getenv("BENCH_SHORT") != "" {
		e = shortEffort
	}
	m := &Measured{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: fmt.Sprintf("%d virtual CPUs", runtime.NumCPU()),
		Go: runtime.Version(), Making: map[string]float64{},
	}
	for b.Loop() {
		e.measure(b, m)
	}
	b.ReportMetric(0, "ns/op") // all together say nothing
	fmt.Println(m.report())
	if os.Getenv("UPDATE_DOCS") == "" || os.Getenv("BENCH_SHORT") != "" {
		return
	}
	if err := m.write(); err != nil {
		b.Fatal(err)
	}
	updateDocuments(b, *m)
}

func (e effort) measure(b *testing.B, m *Measured) {
	all := e.clients
	mono := monorepo(b, caseMonorepo, 3000)
	e.compare(b, m, production(b, caseProd), all, rows)
	e.compare(b, m, wide(b, caseWide, 300), all, rows)
	e.compare(b, m, mono, all, rows)
	large := mono
	large.name, large.chunk = caseLargeChunks, largeChunkSize
	e.compare(b, m, large, []int{1}, rows)
	for _, n := range e.files {
		e.compare(b, m, monorepo(b, fmt.Sprintf("%d files", n), n), []int{1}, rows)
	}
	for _, n := range e.objects {
		e.compare(b, m, wide(b, fmt.Sprintf("%d objects", n), n), []int{1}, rows)
	}
	for _, name := range peerNames {
		e.peak(b, m, production(b, caseProd), name)
	}
	for _, name := range peerNames {
		e.burst(b, m, mono, name)
	}
}

// compare lets all rows take turns.
func (e effort) compare(b *testing.B, m *Measured, s scenario, clients []int, rows []row) {
	b.Helper()
	peers := startPeers(b, peerNames...)
	defer func() {
		for _, p := range peers {
			p.leftovers(b)
			p.stop()
		}
	}()
	a := makeArchive(b, s.repo, max(s.chunk, chunkSize))
	m.Making[s.name] = making(b, s.repo)
	s.manifests = e.warmUp(b, peers, s, a)
	for _, clients := range clients {
		samples := make([]sample, len(rows))
		for range e.rounds {
			for i, r := range rows {
				if samples[i].elapsed > e.most {
					continue
				}
				if r.name == rowSame {
					// The row of the same peer before this one has left other archives behind.
					if _, err := peers[r.peer].call(b.Context(), s.next(a, false)(0)); err != nil {
						b.Fatal(err)
					}
				}
				got, err := peers[r.peer].run(b.Context(), clients, e.each, s.next(a, r.commits), s.manifests)
				if err != nil {
					b.Fatal(err)
				}
				samples[i].latencies = append(samples[i].latencies, got.latencies...)
				samples[i].elapsed += got.elapsed
			}
		}
		for i, r := range rows {
			m.Cells = append(m.Cells, Cell{
				Case: s.name, Peer: r.name, Clients: clients, Calls: len(samples[i].latencies),
				P50: samples[i].quantile(0.5), P95: samples[i].quantile(0.95), Rate: samples[i].rate(),
			})
		}
	}
}

// commits numbers the archives of a run: no two commits have the same one.
var commits = int64(1)

func (s scenario) next(a *archive, another bool) func(int64) request {
	base := commits
	commits += 1 << 20
	return func(n int64) request {
		r := request{archive: a, path: s.path, env: s.env("core-pipeline"), end: a.end}
		if another {
			r.end = commit(base + n)
		}
		return r
	}
}

// warmUp calls every peer once, and returns the number of manifests, in which those that render have to agree.
func (e effort) warmUp(b *testing.B, peers map[string]*peer, s scenario, a *archive) int {
	b.Helper()
	manifests := 0
	for _, p := range peers {
		got, err := p.call(b.Context(), s.next(a, false)(0))
		if err != nil {
			b.Fatal(p.name, ": ", err)
		}
		if p.isFloor() {
			continue
		}
		if manifests == 0 {
			manifests = got
		}
		if got != manifests {
			b.Fatalf("%s returns %d manifests, another peer %d", p.name, got, manifests)
		}
	}
	return manifests
}

// making is the median time in which Argo CD makes the archive.
func making(b *testing.B, repo string) float64 {
	b.Helper()
	var s sample
	for range 5 {
		begin := time.Now()
		file, _, _, err := tgzstream.CompressFiles(repo, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		s.latencies = append(s.latencies, time.Since(begin))
		tgzstream.CloseAndDelete(file)
	}
	return s.quantile(0.5)
}

const mib = 1 << 20

// peak measures memory with many clients.
func (e effort) peak(b *testing.B, m *Measured, s scenario, name string) {
	b.Helper()
	const clients = 50
	p := startPeer(b, name)
	defer p.stop()
	a := makeArchive(b, s.repo, max(s.chunk, chunkSize))
	next := s.next(a, true)
	// Every request is another Application's, so that each is rendered.
	different := func(n int64) request {
		r := next(n)
		r.env = s.env(fmt.Sprintf("application-%d", n))
		return r
	}
	before := p.written()
	stop := p.watch(b)
	got, err := p.run(b.Context(), clients, 2*e.each, different, 0)
	peak := stop()
	if err != nil {
		b.Fatal(err)
	}
	p.leftovers(b)
	m.Peaks = append(m.Peaks, Peak{
		Case: s.name, Peer: name, Clients: clients, Calls: len(got.latencies),
		Memory: float64(peak) / mib, Written: float64(p.written()-before) / mib,
	})
}

// burst refreshes many Applications of one commit at once.
func (e effort) burst(b *testing.B, m *Measured, s scenario, name string) {
	b.Helper()
	p := startPeer(b, name)
	defer p.stop()
	a := makeArchive(b, s.repo, max(s.chunk, chunkSize))
	next := s.next(a, false)
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	before := p.written()
	stop := p.watch(b)
	got, err := p.run(ctx, e.applications, 0, func(n int64) request {
		r := next(n)
		r.env = s.env(fmt.Sprintf("application-%02d", n))
		return r
	}, 0)
	peak := stop()
	if err != nil {
		b.Fatal(err)
	}
	p.leftovers(b)
	slices.Sort(got.latencies)
	m.Bursts = append(m.Bursts, Burst{
		Case: s.name, Peer: name, Applications: e.applications,
		Seconds: got.elapsed.Seconds(), P50: got.quantile(0.5) / 1000, P95: got.quantile(0.95) / 1000,
		Memory: float64(peak) / mib, Written: float64(p.written()-before) / mib,
	})
}
