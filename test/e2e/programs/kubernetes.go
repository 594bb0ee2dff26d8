package programs

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// KubernetesVersion is that of every Kubernetes program.
	KubernetesVersion = "1.37.2"
	etcdVersion       = "v3.6.8"
	containerdVersion = "v2.4.2"
	cniVersion        = "v1.9.1"
	corednsVersion    = "v1.14.7"
	helm4Version      = "v4.3.1"
	kustomizeVersion  = "v5.8.2"
)

const kubernetesKey = "kubernetes-" + KubernetesVersion + "-etcd-" + etcdVersion

// staging matches the folders of Kubernetes' own repository that stand in for its published modules.
var staging = regexp.MustCompile(`(k8s\.io/[a-z-]+) => \./staging/src/k8s\.io/[a-z-]+`)

// Kubernetes is the path of a program of Kubernetes: kube-apiserver, kubelet, kubectl and so on. It is built from a
// module with Kubernetes' own requirements, in which the staging folders are replaced by the modules published from
// them.
func Kubernetes(ctx context.Context, name string) (string, error) {
	return kept(ctx, kubernetesKey, name, func(ctx context.Context, scratch, target string) error {
		module := "k8s.io/kubernetes@v" + KubernetesVersion
		dir, err := ModuleDir(ctx, module)
		if err != nil {
			return err
		}
		for _, name := range []string{"go.mod", "go.sum"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			text := strings.Replace(string(data), "module k8s.io/kubernetes", "module built", 1)
			text = staging.ReplaceAllString(text, "$1 => $1 v0."+strings.TrimPrefix(KubernetesVersion, "1."))
			if err := os.WriteFile(filepath.Join(scratch, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		if _, err := goTool(ctx, scratch, "mod", "edit", "-require="+module); err != nil {
			return err
		}
		const version = "k8s.io/component-base/version"
		minor := strings.Split(KubernetesVersion, ".")[1]
		// Without them the server calls itself 0.0.0, and charts refuse it.
		flags := fmt.Sprintf("-s -w -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s", version, KubernetesVersion, version, version, minor)
		_, err = goTool(ctx, scratch, "build", "-ldflags", flags, "-o", target, "k8s.io/kubernetes/cmd/"+name)
		return err
	})
}

// Etcd is the path of etcd's server.
func Etcd(ctx context.Context) (string, error) {
	return kept(ctx, kubernetesKey, "etcd", func(ctx context.Context, scratch, target string) error {
		const main = "package main\n\nimport (\n\t\"os\"\n\n\t\"go.etcd.io/etcd/server/v3/etcdmain\"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n"
		if err := os.WriteFile(filepath.Join(scratch, "main.go"), []byte(main), 0o644); err != nil {
			return err
		}
		for _, args := range [][]string{
			{"mod", "init", "etcd"}, {"get", "go.etcd.io/etcd/server/v3@" + etcdVersion}, {"mod", "tidy"},
			{"build", "-ldflags=-s -w", "-o", target, "."},
		} {
			if _, err := goTool(ctx, scratch, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// Containerd is the path of a program of containerd: containerd, containerd-shim-runc-v2 or ctr.
func Containerd(ctx context.Context, name string) (string, error) {
	return installed(ctx, "containerd-"+containerdVersion, "github.com/containerd/containerd/v2/cmd/"+name, containerdVersion)
}

// CNI is the path of a network plugin: main/bridge, main/loopback, ipam/host-local or meta/portmap. All of them are in
// one folder.
func CNI(ctx context.Context, name string) (string, error) {
	return installed(ctx, "cni-plugins-"+cniVersion, "github.com/containernetworking/plugins/plugins/"+name, cniVersion)
}

// corednsPlugins are those that the cluster's Corefile names. The other fifty bring the clients of clouds, which are
// most of what CoreDNS is compiled from.
var corednsPlugins = []string{"cache", "errors", "health", "hosts", "kubernetes", "ready"}

// CoreDNS is the path of CoreDNS with the plugins that the clusters use. Its own way of choosing them is a list of
// imports that is generated.
func CoreDNS(ctx context.Context) (string, error) {
	return kept(ctx, "coredns-"+corednsVersion+"-for-kubernetes", "coredns", func(ctx context.Context, scratch, target string) error {
		const path = "github.com/coredns/coredns"
		from, err := ModuleDir(ctx, path+"@"+corednsVersion)
		if err != nil {
			return err
		}
		dir := filepath.Join(scratch, "module")
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			return err
		}
		var imports strings.Builder
		imports.WriteString("package plugin\n\nimport (\n")
		for _, p := range corednsPlugins {
			fmt.Fprintf(&imports, "\t_ %q\n", path+"/plugin/"+p)
		}
		imports.WriteString(")\n")
		if err := os.WriteFile(filepath.Join(dir, "core", "plugin", "zplugin.go"), []byte(imports.String()), 0o644); err != nil {
			return err
		}
		_, err = goTool(ctx, dir, "build", "-ldflags=-s -w", "-o", target, ".")
		return err
	})
}

// installed is a program of a module that needs no replacements.
func installed(ctx context.Context, key, path, version string) (string, error) {
	name := filepath.Base(path)
	if strings.HasPrefix(name, "v") && len(name) == 2 {
		name = filepath.Base(filepath.Dir(path)) // the major version is no name
	}
	return kept(ctx, key, name, func(ctx context.Context, scratch, target string) error {
		env := append(GoEnvironment(), "GOBIN="+scratch)
		if _, err := Run(ctx, scratch, env, "go", "install", "-ldflags=-s -w", path+"@"+version); err != nil {
			return err
		}
		return os.Rename(filepath.Join(scratch, name), target)
	})
}

// Helm4 is the path of Helm 4, with which Argo CD renders charts: that of HELM4 in the environment, as the Makefile
// builds it, unless that one needs libraries of this machine, which a container would not have.
func Helm4(ctx context.Context) (string, error) {
	if p := os.Getenv("HELM4"); isStatic(p) {
		return p, nil
	}
	return installed(ctx, "helm-"+helm4Version, "helm.sh/helm/v4/cmd/helm", helm4Version)
}

// Kustomize is the path of kustomize.
func Kustomize(ctx context.Context) (string, error) {
	return installed(ctx, "kustomize-"+kustomizeVersion, "sigs.k8s.io/kustomize/kustomize/v5", kustomizeVersion)
}

// isStatic tells whether a program runs without a dynamic linker.
func isStatic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}
