package cluster

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Push puts the images of an archive into the registry of the run, from which the nodes pull them as from the registry
// in their names. It returns their digests by those names.
func (c *Config) Push(ctx context.Context, archive string) (map[string]string, error) {
	dir, err := os.MkdirTemp(c.Dir, "push-")
	if err != nil {
		return nil, err
	}
	defer programs.RemoveScratch(dir)
	if err := unpack(archive, dir); err != nil {
		return nil, fmt.Errorf("unpacking an archive of images: %w", err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, m := range manifest.Manifests {
		full := m.Annotations["io.containerd.image.name"]
		image, err := index.Image(m.Digest)
		if err != nil {
			return nil, err
		}
		// A mirror knows names without the host.
		_, path, found := strings.Cut(full, "/")
		if !found {
			return nil, fmt.Errorf("image %q has no registry in its name", full)
		}
		to, err := name.ParseReference(Registry+"/"+path, name.Insecure)
		if err != nil {
			return nil, err
		}
		if err := remote.Write(to, image, remote.WithContext(ctx), remote.WithTransport(c.Transport())); err != nil {
			return nil, fmt.Errorf("pushing %s: %w", full, err)
		}
		digests[full] = m.Digest.String()
	}
	return digests, nil
}

func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%s leads out of the archive", h.Name)
		}
		at := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(at, 0o755)
		case tar.TypeReg:
			err = write(at, r)
		}
		if err != nil {
			return err
		}
	}
}

func write(file string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
