package bench

import (
	"fmt"
	"slices"
	"strings"
)

// report is the part of docs/benchmarks.md that depends on figures.
func (m Measured) report() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Measured on %s, %s, %s.\n\n", m.Date, m.Machine, m.Go)
	out.WriteString("### Against the budgets\n\n| what | budget | measured |\n|---|---|---|\n")
	for _, b := range m.budgets() {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", b.what, b.limit, b.measured)
	}
	for _, name := range []string{caseProd, caseWide, caseMonorepo} {
		fmt.Fprintf(&out, "\n### %s\n\n%s", name, m.table(name))
	}
	out.WriteString("\n### Growth\n\nMedian of one client, in milliseconds.\n\n" + m.growth())
	out.WriteString("\n### Many Applications at once\n\n" + m.bursts())
	out.WriteString("\n### Memory and disk\n\n" + m.peaks())
	return out.String()
}

type budget struct{ what, limit, measured string }

func (m Measured) budgets() []budget {
	ratio := func(name, mine, theirs string, clients int, value func(Cell) float64) float64 {
		a, err := m.Cell(name, mine, clients)
		b, other := m.Cell(name, theirs, clients)
		if err != nil || other != nil {
			return 0
		}
		return value(a) / value(b)
	}
	p50 := func(c Cell) float64 { return c.P50 }
	rate := func(c Cell) float64 { return c.Rate }
	all := []budget{
		{
			"median without a cache, of that of helm and kustomize under argocd-cmp-server", "at most 1/12",
			fmt.Sprintf("1/%.1f", 1/ratio(caseProd, peerUncached, peerShell, 1, p50)),
		},
		{
			"throughput with 4 clients and no cache, of the same", "at least 15 times",
			fmt.Sprintf("%.1f times", ratio(caseProd, peerUncached, peerShell, 4, rate)),
		},
		{
			"the same with the cache, a commit that the Application does not read", "",
			fmt.Sprintf("%.1f times", ratio(caseProd, rowCommit, peerShell, 4, rate)),
		},
		{
			"median of unchanged inputs, of a server that drains only", "at most 1.3 times",
			fmt.Sprintf("%.2f times", ratio(caseProd, rowSame, peerDrain, 1, p50)),
		},
		{
			"median in the monorepo without a cache, of a server that unpacks and walks", "at most 1.2 times",
			fmt.Sprintf("%.2f times", ratio(caseMonorepo, peerUncached, peerWalk, 1, p50)),
		},
		{
			"the same with the cache, a commit that the Application does not read", "",
			fmt.Sprintf("%.2f times", ratio(caseMonorepo, rowCommit, peerWalk, 1, p50)),
		},
	}
	for _, p := range m.Peaks {
		if p.Peer == peerServe {
			all = append(all, budget{
				fmt.Sprintf("memory of all processes with %d clients", p.Clients), "at most 256 MiB", fmt.Sprintf("%.0f MiB", p.Memory),
			}, budget{"written to disk", "0", fmt.Sprintf("%s MiB", size(p.Written))})
		}
	}
	return all
}

// table shows a case; a column for each number of clients.
func (m Measured) table(name string) string {
	var clients []int
	var peers []string
	for _, c := range m.Cells {
		if c.Case != name {
			continue
		}
		if !slices.Contains(clients, c.Clients) {
			clients = append(clients, c.Clients)
		}
		if !slices.Contains(peers, c.Peer) {
			peers = append(peers, c.Peer)
		}
	}
	var out strings.Builder
	head, line := "| peer |", "|---|"
	for _, n := range clients {
		head += fmt.Sprintf(" %d: p50 | p95 | calls/s |", n)
		line += "---|---|---|"
	}
	fmt.Fprintf(&out, "%s\n%s\n", strings.Replace(head, fmt.Sprintf(" %d: ", clients[0]), fmt.Sprintf(" %d client: ", clients[0]), 1), line)
	for _, peer := range peers {
		fmt.Fprintf(&out, "| %s |", peer)
		for _, n := range clients {
			c, _ := m.Cell(name, peer, n) // a missing one shows as 0
			fmt.Fprintf(&out, " %s ms | %s ms | %s |", number(c.P50), number(c.P95), number(c.Rate))
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "\nMaking the archive, which is not in these figures, takes Argo CD %s ms.\n", number(m.Making[name]))
	return out.String()
}

func (m Measured) growth() string {
	columns := slices.DeleteFunc([]string{"300 files", "1000 files", caseMonorepo, caseLargeChunks, "30 objects", "100 objects", caseWide}, func(name string) bool {
		return !slices.ContainsFunc(m.Cells, func(c Cell) bool { return c.Case == name })
	})
	var out strings.Builder
	fmt.Fprintf(&out, "| peer | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range []string{peerShell, peerGenerate, peerDrain, peerWalk, peerUncached, rowSame, rowCommit} {
		fmt.Fprintf(&out, "| %s |", r)
		for _, name := range columns {
			if c, err := m.Cell(name, r, 1); err == nil {
				fmt.Fprintf(&out, " %s |", number(c.P50))
			} else {
				out.WriteString(" |")
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (m Measured) bursts() string {
	var out strings.Builder
	out.WriteString("| peer | Applications | all answered after | p50 | p95 | memory | written |\n|---|---|---|---|---|---|---|\n")
	for _, b := range m.Bursts {
		fmt.Fprintf(&out, "| %s | %d | %s s | %s s | %s s | %.0f MiB | %s MiB |\n",
			b.Peer, b.Applications, number(b.Seconds), number(b.P50), number(b.P95), b.Memory, size(b.Written))
	}
	return out.String()
}

func (m Measured) peaks() string {
	var out strings.Builder
	out.WriteString("| peer | clients | calls | memory | written |\n|---|---|---|---|---|\n")
	for _, p := range m.Peaks {
		fmt.Fprintf(&out, "| %s | %d | %d | %.0f MiB | %s MiB |\n", p.Peer, p.Clients, p.Calls, p.Memory, size(p.Written))
	}
	return out.String()
}

// size shows that nothing is nothing.
func size(mib float64) string {
	if mib == 0 {
		return "0"
	}
	return number(mib)
}
