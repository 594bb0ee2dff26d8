package chart

import (
	"net/netip"
	"slices"
	"testing"

	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// peer is a pod, or an address outside of the cluster.
type peer struct {
	namespace string
	labels    map[string]string
	address   string
}

const own = "apps"

func (p peer) matches(t *testing.T, rule networking.NetworkPolicyPeer) bool {
	t.Helper()
	if rule.IPBlock != nil {
		if p.address == "" {
			return false
		}
		address := netip.MustParseAddr(p.address)
		if !netip.MustParsePrefix(rule.IPBlock.CIDR).Contains(address) {
			return false
		}
		return !slices.ContainsFunc(rule.IPBlock.Except, func(e string) bool { return netip.MustParsePrefix(e).Contains(address) })
	}
	if p.address != "" {
		return false
	}
	if rule.NamespaceSelector == nil && p.namespace != own {
		return false
	}
	namespace := map[string]string{"kubernetes.io/metadata.name": p.namespace}
	return selects(t, rule.NamespaceSelector, namespace) && selects(t, rule.PodSelector, p.labels)
}

// selects is true for a nil selector: the caller knows what that means.
func selects(t *testing.T, s *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(set))
}

func onPort(ports []networking.NetworkPolicyPort, port int, protocol string) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(p networking.NetworkPolicyPort) bool {
		return p.Port.IntValue() == port && string(*p.Protocol) == protocol
	})
}

// allowed evaluates the policies that select pod, as a network plugin does:
// nothing is denied unless a policy selects the pod, and nothing is allowed
// but what one of them allows.
func allowed(t *testing.T, policies []networking.NetworkPolicy, pod map[string]string, ingress bool, other peer, port int, protocol string) bool {
	t.Helper()
	selected := false
	for _, policy := range policies {
		kind := networking.PolicyTypeEgress
		if ingress {
			kind = networking.PolicyTypeIngress
		}
		if !selects(t, &policy.Spec.PodSelector, pod) || !slices.Contains(policy.Spec.PolicyTypes, kind) {
			continue
		}
		selected = true
		if ingress {
			for _, rule := range policy.Spec.Ingress {
				if onPort(rule.Ports, port, protocol) && (len(rule.From) == 0 || slices.ContainsFunc(rule.From, func(p networking.NetworkPolicyPeer) bool { return other.matches(t, p) })) {
					return true
				}
			}
			continue
		}
		for _, rule := range policy.Spec.Egress {
			if onPort(rule.Ports, port, protocol) && (len(rule.To) == 0 || slices.ContainsFunc(rule.To, func(p networking.NetworkPolicyPeer) bool { return other.matches(t, p) })) {
				return true
			}
		}
	}
	return !selected
}

func policies(t *testing.T, list manifest.List) []networking.NetworkPolicy {
	t.Helper()
	var out []networking.NetworkPolicy
	for _, o := range list {
		var policy networking.NetworkPolicy
		if o.Kind() == "NetworkPolicy" && object(t, list, o.Kind(), o.Name(), &policy) {
			out = append(out, policy)
		}
	}
	return out
}

func component(name string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "core-pipeline", "app.kubernetes.io/instance": "core-pipeline", "app.kubernetes.io/component": name}
}

// TestNetworkPolicies is the table of who may talk to whom in the test
// environment.
func TestNetworkPolicies(t *testing.T) {
	list := mustRender(t, repository(t), "test", "")
	all := policies(t, list)
	if len(all) != 2 {
		t.Fatalf("there are %d policies", len(all))
	}
	in := func(namespace string) peer { return peer{namespace: namespace} }
	outside := func(address string) peer { return peer{address: address} }
	api := peer{namespace: own, labels: component("api")}
	const ingress, egress = true, false
	for _, tc := range []struct {
		name      string
		pod       string
		direction bool
		other     peer
		port      int
		protocol  string
		want      bool
	}{
		{"ingress controller", "api", ingress, in("ingress-nginx"), 3000, "TCP", true},
		{"ingress controller on another port", "api", ingress, in("ingress-nginx"), 22, "TCP", false},
		{"Prometheus", "api", ingress, in("monitoring"), 3000, "TCP", true},
		{"the same namespace", "api", ingress, in(own), 3000, "TCP", true},
		{"an unknown namespace", "api", ingress, in("default"), 3000, "TCP", false},
		{"the internet", "api", ingress, outside("203.0.113.7"), 3000, "TCP", false},

		{"DNS", "api", egress, in("kube-system"), 53, "UDP", true},
		{"DNS over TCP", "api", egress, in("kube-system"), 53, "TCP", true},
		{"DNS of OpenShift", "api", egress, in("openshift-dns"), 5353, "UDP", true},
		{"DNS cache of the node", "api", egress, outside("169.254.20.10"), 53, "UDP", true},
		{"the DNS server on another port", "api", egress, in("kube-system"), 443, "TCP", false},
		{"a public DNS server", "api", egress, outside("198.51.100.53"), 53, "UDP", false},
		{"Kafka", "api", egress, in("mock"), 9092, "TCP", true},
		{"the second broker", "api", egress, in("mock"), 9093, "TCP", true},
		{"PostgreSQL", "api", egress, in("mock"), 5432, "TCP", true},
		{"Redis", "api", egress, in("mock"), 6379, "TCP", true},
		{"traces", "api", egress, in("mock"), 4318, "TCP", true},
		{"another port of theirs", "api", egress, in("mock"), 8080, "TCP", false},
		{"PostgreSQL elsewhere", "api", egress, in("default"), 5432, "TCP", false},
		{"the cloud's metadata", "api", egress, outside("169.254.169.254"), 80, "TCP", false},
		{"the API server", "api", egress, outside("10.96.0.1"), 443, "TCP", false},
		{"the internet", "api", egress, outside("203.0.113.7"), 443, "TCP", false},

		{"a migration is asked", "migration", ingress, in(own), 3000, "TCP", false},
		{"a migration asks PostgreSQL", "migration", egress, in("mock"), 5432, "TCP", true},
		{"a backup asks the internet", "backup", egress, outside("203.0.113.7"), 443, "TCP", false},
		{"a smoke test asks the service", "smoke-test", egress, api, 3000, "TCP", true},
		{"a verification asks another port", "verification", egress, api, 9999, "TCP", false},
		{"a verification asks another pod", "verification", egress, in(own), 3000, "TCP", false},
	} {
		if got := allowed(t, all, component(tc.pod), tc.direction, tc.other, tc.port, tc.protocol); got != tc.want {
			t.Errorf("%s: %s: allowed %t, want %t", tc.pod, tc.name, got, tc.want)
		}
	}
	if !allowed(t, all, map[string]string{"app": "another"}, ingress, in("default"), 80, "TCP") {
		t.Error("the policies select pods of others")
	}
}

// TestNetworkPolicyPorts follows the application's own settings.
func TestNetworkPolicyPorts(t *testing.T) {
	list := mustRender(t, repository(t), "test", "env: {POSTGRES_PORT: '6432', REDIS_PORT: '6380', KAFKA_BROKERS: 'a:9094,b:9095', OTEL_EXPORTER_OTLP_ENDPOINT: 'https://tempo.example.com/v1'}\ncontainerPort: 8080\nmetrics: {port: 9464}")
	all := policies(t, list)
	data := peer{namespace: "mock"}
	for port, want := range map[int]bool{6432: true, 6380: true, 9094: true, 9095: true, 443: true, 5432: false, 6379: false, 9092: false, 4318: false} {
		if got := allowed(t, all, component("api"), false, data, port, "TCP"); got != want {
			t.Errorf("to %d: allowed %t, want %t", port, got, want)
		}
	}
	for port, want := range map[int]bool{8080: true, 9464: true, 3000: false} {
		if got := allowed(t, all, component("api"), true, peer{namespace: "monitoring"}, port, "TCP"); got != want {
			t.Errorf("from monitoring to %d: allowed %t, want %t", port, got, want)
		}
	}
}

// TestNetworkPolicyClosed holds that empty lists close and do not open.
func TestNetworkPolicyClosed(t *testing.T) {
	list := mustRender(t, repository(t), "", "networkPolicy: {enabled: true, ingress: {allowSameNamespace: false, from: []}, egress: {dns: []}}")
	all := policies(t, list)
	for _, p := range []peer{{namespace: own}, {namespace: "kube-system"}, {address: "203.0.113.7"}} {
		if allowed(t, all, component("api"), true, p, 3000, "TCP") || allowed(t, all, component("api"), false, p, 53, "UDP") {
			t.Errorf("%v is let through", p)
		}
	}
}
