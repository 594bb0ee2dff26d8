package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Plane is a control plane and its nodes.
type Plane struct {
	Name string
	// Zones are those of its nodes, one for each: the nodes are called <name>-1 and so on.
	Zones []string
}

// Config is a run. It lies in the run's folder as config.json.
type Config struct {
	// Name is unique on this machine; control groups have it.
	Name string
	// Dir has everything that the run writes.
	Dir    string
	Planes []Plane
	// Programs are paths by name, those of Programs.
	Programs map[string]string
	// Proxy is the address on the loopback address at which an HTTP proxy leads into the cluster's network.
	Proxy string
	// Kernel are settings of the machine that kubelets change, as they were.
	Kernel map[string]string
}

const (
	// gateway is the address of the control planes' network namespace on the bridge that the nodes are on. Nothing
	// outside of the run can reach these networks, so they are the same in every run.
	gateway   = "172.30.0.1"
	bridgeNet = "172.30.0.0/24"
	podNet    = "10.244.0.0/16"
	// Registry is where the nodes take images from, whatever registry their names have.
	Registry = gateway + ":5000"
	// GitHost is the host that the Git server answers for, at GitAddress.
	GitHost    = "github.com"
	GitAddress = gateway
)

// aliases are more addresses of the control planes, so that one API server can be known under several.
var aliases = []string{"172.30.0.2", "172.30.0.3", "172.30.0.4"}

// URL is the address of a plane's API server on the i-th of its addresses, of which there are four.
func (c *Config) URL(plane string, i int) string {
	return fmt.Sprintf("https://%s:%d", append([]string{gateway}, aliases...)[i], 6443+c.index(plane))
}

func (c *Config) index(plane string) int {
	for i, p := range c.Planes {
		if p.Name == plane {
			return i
		}
	}
	panic("no control plane is called " + plane)
}

// serviceNet is the network of a plane's Services.
func serviceNet(plane int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(96 + plane), 0, 0}), 16)
}

func serviceAddress(plane int, last byte) string {
	return netip.AddrFrom4([4]byte{10, byte(96 + plane), 0, last}).String()
}

// node is a node of a run.
type node struct {
	name, zone string
	plane      int
	number     int // among all nodes, from 1
}

func (n node) address() string { return fmt.Sprintf("172.30.0.%d", 10+n.number) }
func (n node) pods() string    { return fmt.Sprintf("10.244.%d.0/24", n.number) }

func (c *Config) nodes() []node {
	var all []node
	for i, p := range c.Planes {
		for j, zone := range p.Zones {
			all = append(all, node{name: fmt.Sprintf("%s-%d", p.Name, j+1), zone: zone, plane: i, number: len(all) + 1})
		}
	}
	return all
}

func (c *Config) path(elements ...string) string {
	return filepath.Join(append([]string{c.Dir}, elements...)...)
}

// Kubeconfig is the path of the administrator's kubeconfig file of a plane, which leads through the proxy.
func (c *Config) Kubeconfig(plane string) string { return c.path(plane + ".kubeconfig") }

// CA is the path of the certificate that a plane's API server is signed with.
func (c *Config) CA(plane string) string { return c.path("pki", plane, "ca.crt") }

// GitCA is the path of the certificate that the Git server is signed with.
func (c *Config) GitCA() string { return c.CA(c.Planes[0].Name) }

// Repository is the path of the bare repository that the Git server serves as https://github.com/<name>.git.
func (c *Config) Repository(name string) string { return c.path("git", name+".git") }

func (c *Config) write() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.path("config.json"), data, 0o600)
}

// Open reads the configuration of a run from its folder.
func Open(dir string) (*Config, error) {
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("reading the configuration of a run: %w", err)
	}
	return &c, nil
}

// DNS is the address that the pods of a plane ask for names.
func (c *Config) DNS(plane string) string { return serviceAddress(c.index(plane), 10) }

// BinDir is the folder with Kubernetes' programs.
func (c *Config) BinDir() string { return filepath.Dir(c.Programs["kubectl"]) }
