// Package cluster runs real Kubernetes on this machine, without Docker, without a registry and without a way out.
//
// In: which control planes and nodes; images; commits. Out: the address of a
// proxy on the loopback address, kubeconfig files that name it, and a folder
// with the logs of every component.
//
// A run is one tree of processes in a PID, a mount and several network
// namespaces of its own. The network namespaces have no uplink. When the
// first of these processes ends, for whatever reason, the kernel ends all
// others and takes the mounts and the network away; what it leaves is a
// folder and the control groups of the run's name. Keep removes both, and
// also those of a run whose keeper was killed.
//
//	keeper      on the machine; makes the folder, starts init, cleans up
//	init        PID 1 of the namespaces; reaps, and starts the next
//	supervisor  lays the network and starts the components; ends if one does
//	edge        in the network of the control planes: proxy, registry, Git server
//
// The command e2e-cluster has these roles. It needs root, Linux, and the
// Debian packages that Require names. It must not change the machine: the
// kernel settings that a kubelet changes are put back.
package cluster
