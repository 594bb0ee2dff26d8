package bench

import (
	"fmt"
	"math"
	"strings"
)

// Cost is what one call takes of a replica of repo-server with its sidecar, in milliseconds during which all of its
// CPUs are busy.
type Cost struct {
	// Making is Argo CD's work for the archive. Receiving is the sidecar's, and Again that for an archive that another
	// call has brought just now. Rendering is what a call costs more if nothing that was rendered before can be used.
	Making, Receiving, Again, Rendering float64
}

// Alone is the cost of a call with an archive of its own, if that share of the calls needs no render.
func (c Cost) Alone(hits float64) float64 { return c.Making + c.Receiving + (1-hits)*c.Rendering }

// Together is the cost of one of many calls that come at once with the same archive.
func (c Cost) Together(hits float64) float64 { return c.Making + c.Again + (1-hits)*c.Rendering }

// Load is what there is to do.
type Load struct {
	Applications int
	// Minutes between two commits of a repository that have to be rendered. Argo CD looks for commits once in
	// timeout.reconciliation, so it is never less than that.
	Minutes float64
	// Hits is the share of calls that need no render.
	Hits float64
}

const (
	// busy is the share of a replica's time that renders may take: repo-server fetches repositories, too.
	busy = 0.5
	// within is how many seconds people may wait for the last of all Applications of a commit.
	within = 120
	cpus   = 2
)

// Replicas is how many there have to be if the Applications ask evenly over the time, and if all ask at once.
func Replicas(l Load, c Cost) (spread, atOnce int) {
	const second = 1000
	applications := float64(l.Applications)
	spread = int(math.Ceil(applications * c.Alone(l.Hits) / second / (l.Minutes * 60 * busy)))
	atOnce = int(math.Ceil(applications * c.Together(l.Hits) / second / within))
	return max(1, spread), max(1, atOnce)
}

// clientsOfCost is how many clients a cost is measured with: enough to keep all CPUs busy.
const clientsOfCost = 16

// Cost derives the cost of a call for a repository like that of the case.
func (m Measured) Cost(name string) (Cost, error) {
	each := func(name, peer string) (float64, error) {
		c, err := m.Cell(name, peer, clientsOfCost)
		return 1000 / c.Rate, err
	}
	receiving, err := each(name, rowCommit)
	if err != nil {
		return Cost{}, err
	}
	again, err := each(name, rowSame)
	if err != nil {
		return Cost{}, err
	}
	hit, err := each(caseProd, rowCommit)
	if err != nil {
		return Cost{}, err
	}
	miss, err := each(caseProd, peerUncached)
	if err != nil {
		return Cost{}, err
	}
	return Cost{Making: m.Making[name] / cpus, Receiving: receiving, Again: again, Rendering: max(miss-hit, 0)}, nil
}

// sizing is the part of docs/sizing.md that depends on figures.
func (m Measured) sizing() (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "Measured on %s, %s.\n\n", m.Date, m.Machine)
	out.WriteString("| repository | making | receiving | again | rendering |\n|---|---|---|---|---|\n")
	costs := map[string]Cost{}
	for _, name := range []string{caseProd, caseMonorepo} {
		c, err := m.Cost(name)
		if err != nil {
			return "", err
		}
		costs[name] = c
		fmt.Fprintf(&out, "| %s | %s ms | %s ms | %s ms | %s ms |\n", name, number(c.Making), number(c.Receiving), number(c.Again), number(c.Rendering))
	}
	for _, name := range []string{caseProd, caseMonorepo} {
		fmt.Fprintf(&out, "\n## Replicas for a repository like %s\n\n%s", name, replicas(costs[name]))
	}
	checked, err := m.checked(costs[caseMonorepo])
	return out.String() + checked, err
}

// replicas is a table with a column for each interval between commits.
func replicas(c Cost) string {
	var out strings.Builder
	out.WriteString("| Applications | hits | a commit every 3 min | 15 min | 60 min | all at once |\n|---|---|---|---|---|---|\n")
	for _, applications := range []int{100, 1000, 10000} {
		for _, hits := range []float64{0, 0.9, 0.99} {
			fmt.Fprintf(&out, "| %d | %.0f %% |", applications, 100*hits)
			atOnce := 0
			for _, minutes := range []float64{3, 15, 60} {
				var spread int
				spread, atOnce = Replicas(Load{applications, minutes, hits}, c)
				fmt.Fprintf(&out, " %d |", spread)
			}
			fmt.Fprintf(&out, " %d |\n", atOnce)
		}
	}
	return out.String()
}

// checked compares the model with Applications that did ask all at once.
func (m Measured) checked(c Cost) (string, error) {
	b, err := m.Burst(peerServe)
	if err != nil {
		return "", err
	}
	others := b.Applications - 1
	predicted := (c.Receiving + float64(others)*c.Again + float64(b.Applications)*c.Rendering) / 1000
	return fmt.Sprintf(`
## The model against a measurement

%d Applications of one commit of %s, all at once, nothing rendered before. The archive was made beforehand, so
the model says %s ms + %d * %s ms + %d * %s ms.

| predicted | measured | measured / predicted |
|---|---|---|
| %s s | %s s | %.2f |
`, b.Applications, caseMonorepo, number(c.Receiving), others, number(c.Again), b.Applications, number(c.Rendering),
		number(predicted), number(b.Seconds), b.Seconds/predicted), nil
}

// number has about three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
