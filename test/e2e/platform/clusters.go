package platform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/addons"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// applicationValues are what the values of every cluster say about the application under test.
var applicationValues = fmt.Sprintf(`# The application under test has a migration, and misbehaves when it is asked to.
hooks:
  migration:
    enabled: true
    command: ["%s"]
env:
  TEST_ENDPOINTS: "true"
  TIMEOUT_FACTOR: "5"
# Four clusters share the processors of one machine: what asks, and what answers, may have to wait for them.
readinessProbe: {timeoutSeconds: 10, failureThreshold: 6, initialDelaySeconds: 1}
livenessProbe: {timeoutSeconds: 10, failureThreshold: 6}
# A pod that starts is asked often, because the tests wait for many.
startupProbe: {timeoutSeconds: 10, periodSeconds: 1, failureThreshold: 150}
`, strings.Join(images.Migration, `", "`))

// smallValues let prod, with pods more during a rollout or by the autoscaler, find a place on the one node of its second
// cluster, and what a test lets it burn leave something to the other clusters of the machine.
const smallValues = `resources: {requests: {cpu: 200m}, limits: {cpu: 400m, memory: 512Mi}}
autoscaling:
  maxReplicas: 4
  # As in the clusters with the addons.
  behavior: {scaleDown: {stabilizationWindowSeconds: 15, policies: [{type: Pods, value: 1, periodSeconds: 15}]}}
`

// account is what Argo CD uses in a cluster.
const account = `apiVersion: v1
kind: ServiceAccount
metadata: {name: argocd-manager, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: argocd-manager}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: argocd-manager, namespace: kube-system}]
`

// AddCluster makes the account and its token, and writes the cluster's file without committing it.
func (p *Platform) AddCluster(ctx context.Context, t Target) error {
	apply := []string{"apply", "--server-side", "--force-conflicts", "-f", "-"}
	if _, err := p.Kubectl(ctx, t.Plane, account, apply...); err != nil {
		return err
	}
	token, err := p.Kubectl(ctx, t.Plane, "", "create", "token", "argocd-manager", "-n", "kube-system", "--duration=24h")
	if err != nil {
		return err
	}
	store := fmt.Sprintf(`apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: %s}
spec: {provider: {fake: {data: [{key: clusters/%s, value: %q}]}}}
`, t.Name, t.Name, strings.TrimSpace(token))
	if _, err := p.Kubectl(ctx, Hub, store, apply...); err != nil {
		return err
	}
	file, err := programs.Run(ctx, p.Repository.Dir, os.Environ(), filepath.Join(p.project, "core-pipeline"), "cluster", "add", t.Name,
		"--ring", t.Ring, "--region", "eu", "--server", p.URL(t.Plane, t.Address), "--ca-file", p.CA(t.Plane),
		"--auth", "external-secret", "--secret-store", t.Name, "--remote-key", "clusters/"+t.Name)
	if err != nil {
		return err
	}
	if err := p.Repository.Write(filepath.Join("argocd", "clusters", t.Name+".yaml"), file); err != nil {
		return err
	}
	values := applicationValues
	if t.Plane == Hub || t.Plane == Canary {
		values += addons.ClusterValues
	}
	if t.Plane == Main && t.Environment == "prod" {
		values += smallValues
	}
	return p.Repository.Write(filepath.Join("argocd", "envs", t.Environment, "clusters", t.Name+".yaml"), values)
}
