package gitops

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	argocd "github.com/argoproj/argo-cd/v3/cmd/argocd/commands"
	"github.com/spf13/cobra"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// command matches one of a block, or one in a sentence.
var command = regexp.MustCompile("(?m)(?:^ *|`)((?:argocd|kubectl) [a-z-][^`\n]+)")

// TestReadmeCommands: Argo CD's client and kubectl have every command and flag
// that the guides tell people to type.
func TestReadmeCommands(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, page := range append(pages, "../../../README.md", "../../../argocd/README.md", "../../../charts/core-pipeline/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(strings.ReplaceAll(m[1], "'", ""))
			found[words[0]]++
			root := kubectl.NewDefaultKubectlCommand()
			if words[0] == "argocd" {
				root = argocd.NewCommand()
			}
			if err := parses(root, words[1:]); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(page), m[1], err)
			}
		}
	}
	if found["argocd"] < 8 || found["kubectl"] < 15 {
		t.Fatalf("found %v", found)
	}
}

// parses finds the command, and reads its flags.
func parses(root *cobra.Command, words []string) error {
	// The flags in front of the verb are those of all.
	at := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "-") })
	if words[0] == "-n" {
		at = 2
	}
	c, rest, err := root.Find(words[at:])
	if err != nil {
		return err
	}
	if !c.Runnable() || c == root {
		return os.ErrNotExist
	}
	return c.ParseFlags(append(slices.Clone(words[:at]), rest...))
}

// written is the kustomization that the first guide tells people to write.
var written = regexp.MustCompile("(?s)cat > ../install/kustomization.yaml <<'END'\n(.*?)END\n")

// TestGettingStarted builds the first guide's installation over Argo CD's own:
// the sidecar runs with the image that the guide builds.
func TestGettingStarted(t *testing.T) {
	text, err := os.ReadFile("../../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	m := written.FindSubmatch(text)
	if m == nil {
		t.Fatal("the guide writes no kustomization")
	}
	const remote = "https://raw.githubusercontent.com/argoproj/argo-cd/v3.6.1/manifests/install.yaml"
	if !strings.Contains(string(m[1]), remote) {
		t.Errorf("the guide does not install %s", remote)
	}
	disk := filesys.MakeFsInMemory()
	write(t, disk, "install/kustomization.yaml", []byte(strings.Replace(string(m[1]), remote, "install.yaml", 1)))
	write(t, disk, "install/install.yaml", []byte(original(t, "install.yaml")))
	const component = "install/components/repo-server-plugin"
	files, err := filepath.Glob(filepath.Join(directory, component, "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := component + "/" + filepath.Base(file)
		write(t, disk, "core-pipeline-cmp/argocd/"+name, read(t, name))
	}
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/install")
	if err != nil {
		t.Fatal(err)
	}
	all, err := objects.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(all), "image: core-pipeline-cmp:dev\n") || strings.Contains(string(all), "OWNER") {
		t.Error("the sidecar does not run with the image that the guide builds")
	}
}
