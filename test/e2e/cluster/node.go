package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// PauseImage is what keeps the namespaces of a pod; it has to be in the registry before the first pod starts.
const PauseImage = "registry.k8s.io/pause:3.10.1"

// startNode starts containerd, a kubelet and kube-proxy in the node's network namespace.
func (s *supervisor) startNode(ctx context.Context, n node) error {
	dir, plane := s.path(n.name), s.Planes[n.plane].Name
	pki := s.path("pki", plane)
	files := map[string]string{
		"cni/10-bridge.conflist": fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "e2e", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`, filepath.Join(dir, "ipam"), n.pods()),
		// Every registry is this one; the server behind it could not be reached anyway.
		"registries/_default/hosts.toml": fmt.Sprintf("[host.\"http://%s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", Registry),
		// NRI has one socket for all on the machine: of two that start together, one finds it taken, and ends.
		"containerd.toml": fmt.Sprintf(`version = 3
root = "%[1]s/images"
state = "%[1]s/state"
[grpc]
  address = "%[1]s/c.sock"
[ttrpc]
  address = "%[1]s/c.ttrpc"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images"]
  stats_collect_period = 60 # in seconds: it walks over the files of every container
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = %[2]q
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "%[1]s/registries"
[plugins."io.containerd.cri.v1.runtime"]
  enable_selinux = false
  restrict_oom_score_adj = true
  # Otherwise it asks the shim of each pod every second: a quarter of two processors' time, with all nodes of a run on them.
  stats_collect_period = "30s"
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%[3]q]
    conf_dir = "%[1]s/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
`, dir, PauseImage, filepath.Dir(s.Programs["bridge"])),
		"kubelet.yaml": fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[2]s/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /%[3]s/%[4]s
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://%[1]s/c.sock
clusterDNS: [%[5]s]
clusterDomain: cluster.local
resolvConf: ""
tlsCertFile: %[2]s/%[4]s.crt
tlsPrivateKeyFile: %[2]s/%[4]s.key
volumePluginDir: %[1]s/plugins
podLogsDir: %[1]s/pods
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
enforceNodeAllocatable: [pods]
syncFrequency: 10s
serializeImagePulls: false
featureGates: {PodAndContainerStatsFromCRI: true}
`, dir, pki, s.Name, n.name, serviceAddress(n.plane, 10)),
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := s.start(n.name+"-containerd", n.name, "containerd", "--config", dir+"/containerd.toml"); err != nil {
		return err
	}
	if err := s.until(ctx, "containerd of "+n.name, func(context.Context) error {
		_, err := os.Stat(dir + "/c.sock")
		return err
	}); err != nil {
		return err
	}
	return errors.Join(
		s.start(n.name+"-kubelet", n.name, "kubelet", "--config", dir+"/kubelet.yaml", "--kubeconfig", fmt.Sprintf("%s/%s.kubeconfig", pki, n.name),
			"--hostname-override", n.name, "--node-ip", n.address(), "--root-dir", dir+"/kubelet", "--cert-dir", dir+"/certs",
			"--node-labels", "topology.kubernetes.io/zone="+n.zone+",topology.kubernetes.io/region=e2e"),
		s.startProxy(n.name+"-proxy", n.name, n.name, n.plane, n.address()),
	)
}
