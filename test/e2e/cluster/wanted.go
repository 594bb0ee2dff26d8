package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Wanted is what a run is to have. It lies in the run's folder as wanted.json before the run begins.
type Wanted struct {
	Planes   []Plane
	Programs map[string]string
}

// ReadWanted reads what a run is to have from its folder.
func ReadWanted(dir string) (Wanted, error) {
	var w Wanted
	data, err := os.ReadFile(filepath.Join(dir, "wanted.json"))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	return w, err
}

func (w Wanted) write(dir string) error {
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "wanted.json"), data, 0o600)
}

// Programs builds the programs of a run, and looks for those that come from Debian packages. All that are missing are
// one error.
func Programs(ctx context.Context) (map[string]string, error) {
	paths := map[string]string{}
	var all error
	add := func(path string, err error) {
		paths[filepath.Base(path)] = path
		all = errors.Join(all, err)
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"} {
		add(programs.Kubernetes(ctx, name))
	}
	add(programs.Etcd(ctx))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		add(programs.Containerd(ctx, name))
	}
	for _, name := range []string{"main/bridge", "main/loopback", "ipam/host-local", "meta/portmap"} {
		add(programs.CNI(ctx, name))
	}
	add(programs.Own(ctx, "cluster/e2e-cluster"))
	delete(paths, ".")
	return paths, errors.Join(all, require())
}

// packages are what the machine has to have, by the Debian package that has it.
var packages = map[string]string{
	"runc": "runc", "ip": "iproute2", "nft": "nftables", "iptables": "iptables", "conntrack": "conntrack", "nsenter": "util-linux", "git": "git",
}

func require() error {
	var missing []string
	for name, pkg := range packages {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the cluster needs the packages %s", strings.Join(missing, " "))
	}
	return nil
}
