package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is an image for linux/amd64.
type Image struct {
	Name       string // with registry and tag: docker.io/library/redis:8. It is kept as it is
	Entrypoint []string
	Cmd        []string
	Env        []string // NAME=value. The zero value is the PATH of Debian
	User       string   // a number, so that Kubernetes can see that it is not root. The zero value is root
	WorkingDir string
	Labels     map[string]string
	Layers     []v1.Layer // the lowest first
}

// created is the time of everything in an image: that of the build would change its bytes.
var created = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const debianPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Make makes the image. Its name has to have a tag.
func (i Image) Make() (v1.Image, error) {
	if _, err := name.NewTag(i.Name, name.StrictValidation); err != nil {
		return nil, fmt.Errorf("naming an image: %w", err)
	}
	made, err := i.make()
	if err != nil {
		return nil, fmt.Errorf("making image %s: %w", i.Name, err)
	}
	return made, nil
}

func (i Image) make() (v1.Image, error) {
	made, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), i.Layers...)
	if err != nil {
		return nil, err
	}
	file, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", "amd64", v1.Time{Time: created}
	for at := range file.History {
		file.History[at].Created = v1.Time{Time: created}
	}
	env := i.Env
	if len(env) == 0 {
		env = []string{debianPath}
	}
	file.Config = v1.Config{
		Entrypoint: i.Entrypoint, Cmd: i.Cmd, Env: env, User: i.User, WorkingDir: i.WorkingDir, Labels: i.Labels,
	}
	if made, err = mutate.ConfigFile(made, file); err != nil {
		return nil, err
	}
	return mutate.ConfigMediaType(made, types.OCIConfigJSON), nil
}

// writeWhole writes beside the file and renames, so that an interrupted or a second run never sees half of it.
func writeWhole(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".partial-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
