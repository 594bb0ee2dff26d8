package cluster

import (
	"testing"
	"time"
)

func TestBoot(t *testing.T) {
	start := time.Now()
	c, err := Start(t.Context(), Plane{Name: "hub", Zones: []string{"e2e-a", "e2e-b"}}, Plane{Name: "prod-eu-2", Zones: []string{"e2e-a"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start))
	for _, p := range c.Planes {
		out, err := c.Kubectl(t.Context(), p.Name, "", "get", "nodes", "-o", "wide", "--show-labels")
		t.Log(out, err)
	}
	start = time.Now()
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	t.Log(time.Since(start))
}
