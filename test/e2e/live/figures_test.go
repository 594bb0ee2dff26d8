package live

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// criteria are those of the project's success, and what the table at the end calls them.
var criteria = []string{
	1:  "the chart passes helm lint without warnings",
	2:  "deployed to dev, staging and prod from one apply",
	3:  "metrics are scraped, an alert fires and clears",
	4:  "Ingress over TLS, with limits that take effect",
	5:  "scales up under load and down after it",
	6:  "logs are JSON and arrive",
	7:  "traces arrive",
	8:  "syncs by itself, without a diff, and repairs drift",
	9:  "stays within its limits",
	10: "no failed request while it changes",
}

// figures are what the tests have measured, in the order in which they did.
var figures struct {
	mu  sync.Mutex
	all []figure
}

type figure struct {
	criterion int
	text      string
}

// report notes a figure for the table at the end. Criterion 0 are tests beyond the ten. A test reports what it has seen,
// so a test that fails half way may have reported; that it has failed is in the table, too.
func report(t *testing.T, criterion int, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.Logf("criterion %d: %s", criterion, text)
	note(criterion, text)
}

func note(criterion int, text string) {
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.all = append(figures.all, figure{criterion, text})
}

// criterion says at the start of a test which criterion it shows, so that the table has that it failed or was skipped.
func criterion(t *testing.T, n int) {
	t.Helper()
	t.Cleanup(func() {
		switch {
		case t.Failed():
			note(n, "FAILED: "+t.Name())
		case t.Skipped():
			note(n, "skipped: "+t.Name())
		}
	})
}

// printFigures prints every criterion with its figures, also those of which there is none, and then the tests beyond.
func printFigures(out io.Writer) {
	figures.mu.Lock()
	defer figures.mu.Unlock()
	var table strings.Builder
	fmt.Fprintln(&table, "criterion\twhat\tfigure")
	row := func(number, name string, criterion int, without string) {
		for _, f := range figures.all {
			if f.criterion == criterion {
				fmt.Fprintf(&table, "%s\t%s\t%s\n", number, name, f.text)
				number, name, without = "", "", ""
			}
		}
		if without != "" {
			fmt.Fprintf(&table, "%s\t%s\t%s\n", number, name, without)
		}
	}
	for n, name := range criteria {
		if n > 0 {
			row(fmt.Sprint(n), name, n, "not run")
		}
	}
	row("", "beyond them", 0, "")
	// There is nowhere else to say that it cannot be printed.
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, table.String())
	_ = w.Flush()
}

// TestFigures: what did not run, was skipped or has failed does not hide in the table.
func TestFigures(t *testing.T) {
	kept := figures.all
	defer func() { figures.all = kept }()
	figures.all = []figure{{2, "two"}, {0, "more"}, {2, "again"}, {5, "FAILED: TestFive"}}
	var out strings.Builder
	printFigures(&out)
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"1 " + criteria[1] + " not run", "2 " + criteria[2] + " two", "again", "5 " + criteria[5] + " FAILED: TestFive",
		"10 " + criteria[10] + " not run", "beyond them more",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, &out)
		}
	}
	if len(got) != 1+len(criteria)-1+2 {
		t.Errorf("%d lines:\n%s", len(got), &out)
	}
}
