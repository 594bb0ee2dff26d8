package plugin

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
)

// Request says what to render. Its zero value names the root of the tree and
// has no release name, which Render refuses.
type Request struct {
	// Dir is the application's directory: slash-separated, relative to the
	// tree, "." or empty for its root. It holds Chart.yaml.
	Dir string
	Parameters
}

// Parameters are what an Application says in spec.source.plugin.parameters,
// and a command line in flags of the same names. A path that starts with "/"
// is relative to the repository, any other to Dir.
type Parameters struct {
	// Environment picks values-<environment>.yaml beside Chart.yaml.
	Environment string
	// ValueFiles are laid over it, later ones win. Each must exist.
	ValueFiles []string
	// OptionalValueFiles come after them; those that do not exist are skipped.
	OptionalValueFiles []string
	// Values is one inline YAML document, laid over the files.
	Values string
	// Set assigns strings to paths of keys, as Helm's --set-string does.
	Set map[string]string
	// SetJSON assigns JSON values, as Helm's --set-json does.
	SetJSON map[string]string
	// Overlay is a directory with a kustomization. Empty means
	// overlays/<environment> in Dir, if there is one.
	Overlay string
	// ReleaseName and Namespace are those of Helm's release; both are required.
	ReleaseName string
	Namespace   string
	// KubeVersion defaults to helm.DefaultKubeVersion.
	KubeVersion string
	// APIVersions are added to those that Helm knows.
	APIVersions []string
	// SkipCRDs leaves out crds/, IncludeTests keeps test hooks, AllowEmpty
	// accepts a render without objects.
	SkipCRDs, IncludeTests, AllowEmpty bool
}

// dnsLabel is the form of a namespace (RFC 1123), and of an environment. It
// keeps both from being anything else than a part of a file name or a scalar
// in YAML.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// check reports what is wrong with the request itself.
func (r Request) check() error {
	var errs []error
	if r.ReleaseName == "" {
		errs = append(errs, errors.New("release-name is not set and there is no name to take it from"))
	}
	switch {
	case r.Namespace == "":
		errs = append(errs, errors.New("namespace is not set"))
	case !dnsLabel.MatchString(r.Namespace):
		errs = append(errs, fmt.Errorf("namespace %q is not a name of at most 63 lower-case letters, digits and -", clip(r.Namespace)))
	}
	return errors.Join(errs...)
}

func (r Request) release() helm.Options {
	return helm.Options{
		ReleaseName: r.ReleaseName, Namespace: r.Namespace,
		KubeVersion: r.KubeVersion, APIVersions: r.APIVersions,
		SkipCRDs: r.SkipCRDs, IncludeTests: r.IncludeTests,
	}
}

// dir is Dir as fs.FS wants it.
func (r Request) dir() string { return path.Clean("./" + r.Dir) }

// resolve turns a path of parameter name into one of the tree.
func (r Request) resolve(name, p string) (string, error) {
	switch {
	case p == "":
		return "", fmt.Errorf("%s: a path is empty", name)
	case strings.Contains(p, "://"):
		return "", fmt.Errorf("%s: %s is a URL; files are read from the repository only", name, clip(p))
	case strings.HasPrefix(p, "$"):
		return "", fmt.Errorf("%s: %s: Argo CD gives plugins no other source ($ref); use a file of this repository", name, clip(p))
	case strings.ContainsAny(p, "\x00\\"):
		return "", fmt.Errorf("%s: %q: separate directories by /", name, clip(p))
	}
	at := r.dir()
	if strings.HasPrefix(p, "/") {
		at = "."
	}
	at = path.Join(at, p)
	if at == ".." || strings.HasPrefix(at, "../") {
		return "", fmt.Errorf("%s: %s leaves the repository", name, clip(p))
	}
	return at, nil
}

// clip shortens a text that a request brought, for an error.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
