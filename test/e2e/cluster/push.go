package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
)

// Push puts images into the registry of the run, from which the nodes pull them as from the registry in their names. It
// returns their digests by those names.
func (c *Config) Push(ctx context.Context, images ...image.Image) (map[string]string, error) {
	digests := map[string]string{}
	for _, i := range images {
		made, err := i.Make()
		if err != nil {
			return nil, err
		}
		if err := c.link(i); err != nil {
			return nil, fmt.Errorf("giving the layers of %s to the registry: %w", i.Name, err)
		}
		// A mirror knows names without the host.
		_, path, found := strings.Cut(i.Name, "/")
		if !found {
			return nil, fmt.Errorf("image %q has no registry in its name", i.Name)
		}
		to, err := name.ParseReference(Registry+"/"+path, name.Insecure)
		if err != nil {
			return nil, err
		}
		if err := remote.Write(to, made, remote.WithContext(ctx), remote.WithTransport(c.Transport())); err != nil {
			return nil, fmt.Errorf("pushing %s: %w", i.Name, err)
		}
		digest, err := made.Digest()
		if err != nil {
			return nil, err
		}
		digests[i.Name] = digest.String()
	}
	return digests, nil
}

// link gives the registry the layers that are files: what it has need not be sent. Those of another disk are sent.
func (c *Config) link(i image.Image) error {
	for _, l := range i.Layers {
		blob := image.Blob(l)
		if blob == "" {
			continue
		}
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(c.path(registryDir, digest.Algorithm), 0o755); err != nil {
			return err
		}
		err = os.Link(blob, c.path(registryDir, digest.Algorithm, digest.Hex))
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.EXDEV) {
			return err
		}
	}
	return nil
}
