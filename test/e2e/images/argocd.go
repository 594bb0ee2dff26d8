package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// The names that Argo CD's manifests give its images.
const (
	argocdName = "quay.io/argoproj/argocd:v3.6.1"
	redisName  = "public.ecr.aws/docker/library/redis:8.10.1-alpine"
)

// argocdRoles are the names under which the one program of Argo CD plays its components.
var argocdRoles = []string{
	"server", "repo-server", "cmp-server", "application-controller", "dex", "notifications", "applicationset-controller",
	"k8s-auth", "commit-server",
}

// ArgoCD are the images of Argo CD's own install manifests, that of Dex excepted: laid out as Argo CD's
// Dockerfile does, without git-lfs, and Debian's Redis under the name of the one that the manifests use.
func ArgoCD(ctx context.Context) ([]image.Image, error) {
	program, err := programs.ArgoCD()
	if err != nil {
		return nil, err
	}
	helm, err := programs.Helm4(ctx)
	if err != nil {
		return nil, err
	}
	kustomize, err := programs.Kustomize(ctx)
	if err != nil {
		return nil, err
	}
	// The paths have the versions in them.
	sum := sha256.Sum256([]byte(strings.Join(append([]string{program, helm, kustomize}, argocdRoles...), " ")))
	file, err := cached("argocd-"+hex.EncodeToString(sum[:4])+".tar.gz", func(file string) error {
		module, err := programs.Run(ctx, ".", os.Environ(), "go", "list", "-m", "-f", "{{.Dir}}", programs.ArgoCDModule)
		if err != nil {
			return err
		}
		const bin, config = "/usr/local/bin/", "/app/config/"
		files := []image.File{
			{Path: bin + "argocd", Source: program, Mode: 0o755},
			{Path: bin + "helm", Source: helm, Mode: 0o755},
			{Path: bin + "kustomize", Source: kustomize, Mode: 0o755},
			{Path: bin + "uid_entrypoint.sh", Link: bin + "entrypoint.sh"},
			{Path: "/home/argocd", Mode: 0o775, UID: 999},
			{Path: config + "ssh/ssh_known_hosts", Content: "# mounted over\n"},
			{Path: "/etc/ssh/ssh_known_hosts", Link: config + "ssh/ssh_known_hosts"},
			{Path: config + "tls"}, {Path: config + "gpg/source"},
			{Path: config + "gpg/keys", Mode: 0o700, UID: 999},
			{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nargocd:x:999:999::/home/argocd:/bin/sh\n"},
			{Path: "/etc/group", Content: "root:x:0:\nnogroup:x:65534:\nargocd:x:999:\n"},
			{Path: "/tmp", Mode: fs.ModeSticky | 0o777},
		}
		for _, role := range argocdRoles {
			files = append(files, image.File{Path: bin + "argocd-" + role, Link: bin + "argocd"})
		}
		for _, script := range []string{"entrypoint.sh", "hack/gpg-wrapper.sh", "hack/git-verify-wrapper.sh"} {
			files = append(files, image.File{Path: bin + filepath.Base(script), Source: filepath.Join(trim(module), script), Mode: 0o755})
		}
		_, err = image.FilesTo(file, files...)
		return err
	})
	if err != nil {
		return nil, err
	}
	base, errBase := debianBase.layer(ctx)
	part, errPart := debianPart.layer(ctx)
	layer, err := image.FromFile(file)
	if err := errors.Join(errBase, errPart, err); err != nil {
		return nil, err
	}
	return []image.Image{
		{
			Name: argocdName, Entrypoint: []string{"/usr/bin/tini", "--"}, User: "999", WorkingDir: "/home/argocd",
			Env:    append(OneProcessor(), "USER=argocd", "GRPC_ENABLE_TXT_SERVICE_CONFIG=false"),
			Layers: []v1.Layer{base, layer},
		},
		{Name: redisName, Entrypoint: []string{"/usr/bin/redis-server"}, User: "999", Layers: []v1.Layer{part}},
	}, nil
}
