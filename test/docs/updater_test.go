package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// imageUpdater has the fields of an ImageUpdater that the guides use.
type imageUpdater struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		WriteBackConfig struct {
			Method    string
			GitConfig struct{ Branch, WriteBackTarget string }
		}
		ApplicationRefs []struct {
			NamePattern string
			Images      []struct {
				Alias, ImageName     string
				CommonUpdateSettings struct{ UpdateStrategy string }
				ManifestTargets      struct {
					Helm struct{ Name, Tag string }
				}
			}
		}
	}
}

// checkImageUpdater holds what an ImageUpdater writes to the file and to the
// keys that there are.
func checkImageUpdater(t *testing.T, text string) error {
	t.Helper()
	var u imageUpdater
	if err := yaml.UnmarshalStrict([]byte(text), &u); err != nil {
		return err
	}
	file, ok := strings.CutPrefix(u.Spec.WriteBackConfig.GitConfig.WriteBackTarget, "helmvalues:/")
	if !ok {
		return fmt.Errorf("writes to %q", u.Spec.WriteBackConfig.GitConfig.WriteBackTarget)
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		return err
	}
	var values struct {
		Image map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "charts/core-pipeline/values.yaml")), &values); err != nil {
		return err
	}
	for _, ref := range u.Spec.ApplicationRefs {
		for _, image := range ref.Images {
			if image.ImageName != values.Image["repository"] {
				return fmt.Errorf("watches %s, the chart has %v", image.ImageName, values.Image["repository"])
			}
			for _, key := range []string{image.ManifestTargets.Helm.Name, image.ManifestTargets.Helm.Tag} {
				name, _ := strings.CutPrefix(key, "image.")
				if _, there := values.Image[name]; !there {
					return fmt.Errorf("the chart has no value %s", key)
				}
			}
		}
	}
	return nil
}
