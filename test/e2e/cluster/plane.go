package cluster

import (
	"context"
	"fmt"
	"strings"
)

// startPlane starts the i-th control plane and waits until its API server is ready.
func (s *supervisor) startPlane(ctx context.Context, i int) error {
	p := s.Planes[i]
	pki, url := s.path("pki", p.Name), s.URL(p.Name, 0)
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", 2379+10*i), fmt.Sprintf("http://127.0.0.1:%d", 2380+10*i)
	if err := s.start(p.Name+"-etcd", control, "etcd", "--data-dir", s.path(p.Name+"-etcd"), "--log-level", "warn", "--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer); err != nil {
		return err
	}
	if err := s.start(p.Name+"-apiserver", control, "kube-apiserver",
		"--etcd-servers", client, "--service-cluster-ip-range", serviceNet(i).String(),
		"--bind-address", "0.0.0.0", "--advertise-address", gateway, "--secure-port", url[strings.LastIndex(url, ":")+1:],
		"--tls-cert-file", pki+"/apiserver.crt", "--tls-private-key-file", pki+"/apiserver.key", "--client-ca-file", pki+"/ca.crt",
		"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction", "--allow-privileged",
		"--service-account-key-file", pki+"/sa.key", "--service-account-signing-key-file", pki+"/sa.key",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--kubelet-client-certificate", pki+"/admin.crt", "--kubelet-client-key", pki+"/admin.key", "--kubelet-preferred-address-types", "InternalIP",
		// Aggregated servers are reached at their pods: the control plane has no kube-proxy of every plane.
		"--enable-aggregator-routing",
		"--requestheader-client-ca-file", pki+"/ca.crt", "--requestheader-allowed-names", "front-proxy",
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-", "--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-username-headers", "X-Remote-User",
		"--proxy-client-cert-file", pki+"/front-proxy.crt", "--proxy-client-key-file", pki+"/front-proxy.key"); err != nil {
		return err
	}
	if err := s.until(ctx, "the API server of "+p.Name, func(ctx context.Context) error {
		_, err := s.kubectl(ctx, p.Name, "get", "--raw", "/readyz")
		return err
	}); err != nil {
		return err
	}
	if err := s.start(p.Name+"-controller-manager", control, "kube-controller-manager",
		"--kubeconfig", pki+"/controller-manager.kubeconfig", "--authentication-kubeconfig", pki+"/controller-manager.kubeconfig",
		"--authorization-kubeconfig", pki+"/controller-manager.kubeconfig", "--secure-port", fmt.Sprint(10257+100*i),
		"--service-account-private-key-file", pki+"/sa.key", "--root-ca-file", pki+"/ca.crt", "--use-service-account-credentials",
		"--leader-elect=false", "--cluster-signing-cert-file", pki+"/ca.crt", "--cluster-signing-key-file", pki+"/ca.key",
		// Shorter than by default, so that a test of autoscaling takes minutes less.
		"--horizontal-pod-autoscaler-sync-period", "5s", "--horizontal-pod-autoscaler-initial-readiness-delay", "5s",
		"--horizontal-pod-autoscaler-cpu-initialization-period", "20s"); err != nil {
		return err
	}
	return s.start(p.Name+"-scheduler", control, "kube-scheduler",
		"--kubeconfig", pki+"/scheduler.kubeconfig", "--authentication-kubeconfig", pki+"/scheduler.kubeconfig",
		"--authorization-kubeconfig", pki+"/scheduler.kubeconfig", "--secure-port", fmt.Sprint(10259+100*i), "--leader-elect=false")
}

// startProxy starts kube-proxy in a network namespace, with the identity of the plane's kube-proxies.
func (s *supervisor) startProxy(name, namespace, host string, plane int, address string) error {
	return s.start(name, namespace, "kube-proxy", "--kubeconfig", s.path("pki", s.Planes[plane].Name, "proxy.kubeconfig"), "--proxy-mode", "nftables",
		"--cluster-cidr", podNet, "--hostname-override", host, "--conntrack-max-per-core", "0",
		"--healthz-bind-address", address+":10256", "--metrics-bind-address", address+":10249")
}
