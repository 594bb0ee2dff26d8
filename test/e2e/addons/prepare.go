package addons

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// onlyFakeProvider leaves the provider and the generator that are made for tests registered, and no other.
func onlyFakeProvider(_ context.Context, dir string) error {
	for _, kind := range []string{"provider", "generator"} {
		text := "package register\n\nimport _ \"" + externalSecretsPath + "/pkg/" + kind + "/fake\"\n"
		if err := os.WriteFile(filepath.Join(dir, "pkg", kind, "register", "register.go"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// withoutDNSProviders takes out what ACME's challenge by DNS needs: the clients of some hundred and fifty providers, which
// are most of what Traefik is compiled from. The tests have certificates of cert-manager's.
func withoutDNSProviders(_ context.Context, dir string) error {
	const stub = "package nodns\n\nimport (\n\t\"errors\"\n\n\t\"github.com/go-acme/lego/v4/challenge\"\n)\n\n" +
		"func NewDNSChallengeProviderByName(string) (challenge.Provider, error) {\n\treturn nil, errors.New(\"built without DNS providers\")\n}\n"
	folder := filepath.Join(dir, "pkg", "provider", "acme", "nodns")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "nodns.go"), []byte(stub), 0o644); err != nil {
		return err
	}
	user := filepath.Join(dir, "pkg", "provider", "acme", "provider.go")
	data, err := os.ReadFile(user)
	if err != nil {
		return err
	}
	const providers = `"github.com/go-acme/lego/v4/providers/dns"`
	text := string(data)
	if strings.Count(text, providers) != 1 {
		return fmt.Errorf("%s does not import %s once", user, providers)
	}
	return os.WriteFile(user, []byte(strings.Replace(text, providers, `dns "`+traefikPath+`/pkg/provider/acme/nodns"`, 1)), 0o644)
}

// generateOperatorClient brings the two modules that the operator's own replaces by folders: its API, which is
// published, and the client for it, which is not. The operator's repository generates the client with Kubernetes'
// generators (k8s-client-gen in its Makefile), and so does this.
func generateOperatorClient(ctx context.Context, dir string) error {
	const api = "pkg/apis/monitoring"
	if err := copyModule(ctx, filepath.Join(dir, api), path.Join(operatorPath, api), PrometheusOperatorVersion); err != nil {
		return err
	}
	client := filepath.Join(dir, "pkg", "client")
	if err := os.MkdirAll(client, 0o755); err != nil {
		return err
	}
	header := filepath.Join(client, "header.txt")
	for name, text := range map[string]string{
		filepath.Join(client, "go.mod"): "module " + path.Join(operatorPath, "pkg/client") + "\n\ngo 1.24.0\n",
		header:                          "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	versions := []string{"v1", "v1alpha1", "v1beta1"}
	var packages []string
	for _, v := range versions {
		packages = append(packages, path.Join(operatorPath, api, v))
	}
	generate := func(generator, part string, args ...string) error {
		args = append(args, "--go-header-file", header,
			"--output-pkg", path.Join(operatorPath, "pkg/client", part), "--output-dir", filepath.Join(client, part))
		_, err := goTool(ctx, dir, append([]string{"run", "k8s.io/code-generator/cmd/" + generator + "@" + codeGeneratorVersion}, args...)...)
		return err
	}
	if err := generate("applyconfiguration-gen", "applyconfiguration", packages...); err != nil {
		return err
	}
	inputs := "monitoring/" + strings.Join(versions, ",monitoring/")
	if err := generate("client-gen", "", "--apply-configuration-package", path.Join(operatorPath, "pkg/client/applyconfiguration"),
		"--input-base", path.Join(operatorPath, "pkg/apis"), "--clientset-name", "versioned", "--input", inputs); err != nil {
		return err
	}
	if err := generate("lister-gen", "listers", packages...); err != nil {
		return err
	}
	return generate("informer-gen", "informers", append(packages, "--versioned-clientset-package", path.Join(operatorPath, "pkg/client/versioned"),
		"--listers-package", path.Join(operatorPath, "pkg/client/listers"))...)
}
