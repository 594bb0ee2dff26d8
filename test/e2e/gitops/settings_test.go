package gitops

import (
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// manager reads the settings of an install with these components.
func manager(t *testing.T, components ...string) *settings.SettingsManager {
	t.Helper()
	cm := object[corev1.ConfigMap](t, build(t, withoutDefinitions(original(t, "install.yaml")), components...), "ConfigMap", "argocd-cm")
	secret := &corev1.Secret{}
	secret.Name, secret.Namespace = common.ArgoCDSecretName, "argocd"
	secret.Labels = map[string]string{"app.kubernetes.io/part-of": "argocd"}
	return settings.NewSettingsManager(t.Context(), fake.NewClientset(cm, secret), "argocd")
}

// TestT29Settings: Argo CD reads the keys that the components write. It
// ignores one that is misspelt.
func TestT29Settings(t *testing.T) {
	plain, set := manager(t), manager(t, "guardrails", "impersonation")
	for name, read := range map[string]func(*settings.SettingsManager) (bool, error){
		"impersonation":          (*settings.SettingsManager).IsImpersonationEnabled,
		"rollback":               (*settings.SettingsManager).GetServerRBACRollbackEnforceEnable,
		"override for revisions": (*settings.SettingsManager).RequireOverridePrivilegeForRevisionSync,
	} {
		without, err := read(plain)
		if err != nil {
			t.Fatal(err)
		}
		with, err := read(set)
		if err != nil {
			t.Fatal(err)
		}
		if without || !with {
			t.Errorf("%s is %v without the components, %v with them", name, without, with)
		}
	}
}

// TestT08Parameters: some container of the install reads each key of
// argocd-cmd-params-cm that a component writes. T14 is about the same.
func TestT08Parameters(t *testing.T) {
	install := withoutDefinitions(original(t, "install.yaml"))
	all := []string{"repo-server-plugin", "repo-server-plugin-v2", "progressive-syncs", "guardrails"}
	data := object[corev1.ConfigMap](t, build(t, install, all...), "ConfigMap", "argocd-cmd-params-cm").Data
	for _, key := range []string{"applicationsetcontroller.enable.progressive.syncs", "applicationsetcontroller.enable.policy.override"} {
		if data[key] != "true" {
			t.Errorf("%s is %q", key, data[key])
		}
	}
	for key := range data {
		if !strings.Contains(install, "key: "+key+"\n") {
			t.Errorf("nothing reads %s", key)
		}
	}
}

// TestIngressHealth: without the component, an Ingress without an address is
// waited for; with it, it is not.
func TestIngressHealth(t *testing.T) {
	ingress := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"name": "a"},
	}}
	for component, want := range map[string]health.HealthStatusCode{"guardrails": health.HealthStatusProgressing, "ingress-health": health.HealthStatusHealthy} {
		overrides, err := manager(t, component).GetResourceOverrides()
		if err != nil {
			t.Fatal(err)
		}
		got, err := health.GetResourceHealth(ingress, lua.ResourceHealthOverrides(overrides))
		if err != nil || got == nil || got.Status != want {
			t.Errorf("with %s: %+v, %v", component, got, err)
		}
	}
}

// TestT16MalformedConfig: one Secret that does not decode keeps Argo CD from
// listing any cluster, and with that from deleting Applications of any set.
func TestT16MalformedConfig(t *testing.T) {
	list := func(secrets ...*corev1.Secret) (int, error) {
		objects := make([]runtime.Object, 0, len(secrets))
		for _, s := range secrets {
			objects = append(objects, s)
		}
		informer, err := settings.NewClusterInformer(fake.NewClientset(objects...), "argocd")
		if err != nil {
			t.Fatal(err)
		}
		go informer.Run(t.Context().Done())
		if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
			t.Fatal("the informer does not start")
		}
		clusters, err := informer.ListClusters()
		return len(clusters), err
	}
	if n, err := list(examples(t)...); n != 3 || err != nil {
		t.Errorf("%d clusters, %v", n, err)
	}
	broken := cluster("prod-eu-9")
	broken.Data["config"] = []byte("{")
	if n, err := list(append(examples(t), broken)...); err == nil {
		t.Errorf("Argo CD lists %d clusters beside one that is broken now", n)
	}
}
