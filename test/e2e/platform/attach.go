package platform

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// digestsName is the file in the run's folder that says that Install has ended well, and what it has pushed.
const digestsName = "digests.json"

func (p *Platform) write() error {
	data, err := json.Marshal(p.Digests)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.Dir, digestsName), data, 0o600)
}

// Open is what Install made in a run that goes on, by the run's folder.
func Open(dir string) (*Platform, error) {
	c, err := cluster.Open(dir)
	if err != nil {
		return nil, err
	}
	p := &Platform{Config: c, Repository: Repository{Dir: filepath.Join(dir, "deploy")}}
	data, err := os.ReadFile(filepath.Join(dir, digestsName))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &p.Digests); err != nil {
		return nil, fmt.Errorf("reading what was pushed: %w", err)
	}
	p.project, err = programs.Project()
	return p, err
}
