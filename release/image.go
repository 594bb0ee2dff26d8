package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What the Dockerfile says, too; a test holds the two together.
const (
	binary      = "core-pipeline-cmp"
	binaryPath  = "usr/local/bin/core-pipeline-cmp"
	pluginPath  = "home/argocd/cmp-server/config/plugin.yaml"
	user        = "999"
	environment = "PATH=/usr/local/bin"
	title       = "core-pipeline-cmp"
	description = "Argo CD config management plugin: a Helm chart with environment values and kustomize patches, rendered in process"
	source      = "https://github.com/OWNER/core-pipeline-cmp"
)

// architectures of the image; each needs a binary for linux.
var architectures = []string{"amd64", "arm64"}

// image says what goes into the image. Version has no default: an image
// without one cannot be traced to a commit.
type image struct {
	Dist     string // of goreleaser, with artifacts.json
	Plugin   string // plugin.yaml
	Version  string
	Revision string // commit
	Created  time.Time
}

// artifact is what goreleaser writes about each file that it has made.
type artifact struct {
	Name, Path, Type string
	Goos             string `json:"goos"`
	Goarch           string `json:"goarch"`
}

// binaries finds the sidecar's program for each architecture. Paths in
// artifacts.json start from the directory that holds dist.
func (i image) binaries() (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(i.Dist, "artifacts.json"))
	if err != nil {
		return nil, fmt.Errorf("reading what was built: %w", err)
	}
	var list []artifact
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("artifacts.json: %w", err)
	}
	out := map[string]string{}
	for _, a := range list {
		if a.Type == "Binary" && a.Goos == "linux" && a.Name == binary {
			out[a.Goarch] = filepath.Join(filepath.Dir(filepath.Clean(i.Dist)), filepath.FromSlash(a.Path))
		}
	}
	for _, arch := range architectures {
		if out[arch] == "" {
			return nil, fmt.Errorf("artifacts.json has no %s for linux/%s", binary, arch)
		}
	}
	return out, nil
}

// layer is the file system of the image: root's files, all of one time.
func (i image) layer(program string) (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, mode int64, from string) error {
		header := &tar.Header{Name: name, Mode: mode, ModTime: i.Created, Typeflag: tar.TypeDir, Format: tar.FormatPAX}
		var data []byte
		if from != "" {
			var err error
			if data, err = os.ReadFile(from); err != nil { //nolint:gosec // the caller names what goes into the image
				return err
			}
			header.Typeflag, header.Size = tar.TypeReg, int64(len(data))
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	files := map[string]string{binaryPath: program, pluginPath: i.Plugin}
	modes := map[string]int64{binaryPath: 0o755, pluginPath: 0o644, "tmp/": 0o1777}
	for at := range files {
		for dir := filepath.Dir(at); dir != "."; dir = filepath.Dir(dir) {
			modes[dir+"/"] = 0o755
		}
	}
	names := make([]string, 0, len(modes))
	for at := range modes {
		names = append(names, at)
	}
	slices.Sort(names)
	for _, at := range names {
		if err := add(at, modes[at], files[at]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

func (i image) labels() map[string]string {
	prefix := "org.opencontainers.image."
	return map[string]string{
		prefix + "title": title, prefix + "description": description, prefix + "source": source,
		prefix + "version": i.Version, prefix + "revision": i.Revision,
	}
}

// platform makes the image of one architecture.
func (i image) platform(arch, program string) (v1.Image, error) {
	layer, err := i.layer(program)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	out, err := mutate.Append(base, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: i.Created}, CreatedBy: "release image"},
	})
	if err != nil {
		return nil, err
	}
	config, err := out.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: i.Created}
	config.Config = v1.Config{User: user, Env: []string{environment}, Entrypoint: []string{"/" + binaryPath}, Labels: i.labels()}
	return mutate.ConfigFile(out, config)
}

// index makes the image of all architectures.
func (i image) index() (v1.ImageIndex, error) {
	programs, err := i.binaries()
	if err != nil {
		return nil, err
	}
	out := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range architectures {
		img, err := i.platform(arch, programs[arch])
		if err != nil {
			return nil, fmt.Errorf("making the image for %s: %w", arch, err)
		}
		platform := &v1.Platform{OS: "linux", Architecture: arch}
		out = mutate.AppendManifests(out, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	annotated, ok := mutate.Annotations(out, i.labels()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the index: it is no index any more")
	}
	return annotated, nil
}

// writeImage writes the image as an OCI layout to a new directory, and its
// digest to stdout.
func writeImage(dir string, i image, stdout io.Writer) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s exists; remove it first", dir)
	}
	index, err := i.index()
	if err != nil {
		return err
	}
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	if err := at.AppendIndex(index); err != nil {
		return fmt.Errorf("writing the layout: %w", err)
	}
	digest, err := index.Digest()
	if err == nil {
		_, err = fmt.Fprintln(stdout, digest)
	}
	return err
}

// push sends the one image of a layout to a registry, with the credentials of
// the user's container configuration, and prints NAME@DIGEST: the name to sign
// and to deploy, which no later push can change.
func push(ctx context.Context, dir, to string, stdout io.Writer) error {
	ref, err := name.NewTag(to, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return fmt.Errorf("reading the layout: %w", err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading the layout: %w", err)
	}
	if len(manifest.Manifests) != 1 {
		return fmt.Errorf("the layout has %d images, want 1", len(manifest.Manifests))
	}
	digest := manifest.Manifests[0].Digest
	index, err := root.ImageIndex(digest)
	if err != nil {
		return fmt.Errorf("reading the layout: %w", err)
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("pushing to %s: %w", strings.TrimSuffix(ref.Context().Name(), "/"), err)
	}
	_, err = fmt.Fprintf(stdout, "%s@%s\n", ref.Context().Name(), digest)
	return err
}
