package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Measured is what one run has found. testdata/measured.json holds that of the documentation.
type Measured struct {
	Date, Machine, Go string
	Cells             []Cell
	Bursts            []Burst
	Peaks             []Peak
	// Making is how long Argo CD takes to make the archive of a case, in milliseconds.
	Making map[string]float64
}

// Cell is what a number of clients saw, each of which called one peer again and again.
type Cell struct {
	Case, Peer string
	Clients    int
	Calls      int
	// Milliseconds, and calls in a second.
	P50, P95, Rate float64
}

// Burst is a number of Applications refreshed at once, each once.
type Burst struct {
	Case, Peer   string
	Applications int
	// Seconds until all were answered, and until half and 95 % were.
	Seconds, P50, P95 float64
	// MiB of memory at the highest, and of what was written to disk.
	Memory, Written float64
}

// Peak is the highest memory, and what was written to disk, in MiB, while a number of clients called.
type Peak struct {
	Case, Peer      string
	Clients, Calls  int
	Memory, Written float64
}

// Cell returns what was measured.
func (m Measured) Cell(name, peer string, clients int) (Cell, error) {
	for _, c := range m.Cells {
		if c.Case == name && c.Peer == peer && c.Clients == clients {
			return c, nil
		}
	}
	return Cell{}, fmt.Errorf("%s, %s, %d clients: not measured", name, peer, clients)
}

// Burst returns what was measured.
func (m Measured) Burst(peer string) (Burst, error) {
	for _, b := range m.Bursts {
		if b.Peer == peer {
			return b, nil
		}
	}
	return Burst{}, fmt.Errorf("%s, all at once: not measured", peer)
}

var recorded = filepath.Join("testdata", "measured.json")

func readMeasured() (Measured, error) {
	var m Measured
	data, err := os.ReadFile(recorded)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", recorded, err)
	}
	return m, nil
}

func (m Measured) write() error {
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(recorded), 0o755); err != nil {
		return err
	}
	return os.WriteFile(recorded, append(data, '\n'), 0o644)
}
