package plugin

import (
	"path"
	"strings"
)

// ReadEnvironment builds the request that Argo CD describes in variables, of
// which getenv returns the values, for the application in dir. Parameters come
// from ARGOCD_APP_PARAMETERS only: the PARAM_ variables made of them lose the
// difference between - and _.
func ReadEnvironment(getenv func(string) string, dir string) (Request, error) {
	parameters, err := ReadParameters(getenv("ARGOCD_APP_PARAMETERS"))
	if err != nil {
		return Request{}, err
	}
	if parameters.ReleaseName == "" {
		parameters.ReleaseName = applicationName(getenv("ARGOCD_APP_NAME"))
	}
	if parameters.Namespace == "" {
		parameters.Namespace = getenv("ARGOCD_APP_NAMESPACE")
	}
	if parameters.KubeVersion == "" {
		parameters.KubeVersion = getenv("KUBE_VERSION")
	}
	if len(parameters.APIVersions) == 0 {
		parameters.APIVersions = strings.Split(getenv("KUBE_API_VERSIONS"), ",")
	}
	return Request{Dir: dir, Parameters: parameters}, nil
}

// applicationName cuts the namespace off the name of an Application that
// lives outside of Argo CD's own namespace. Neither can hold an underscore.
func applicationName(instance string) string {
	if _, name, ok := strings.Cut(instance, "_"); ok {
		return name
	}
	return instance
}

// Narrowed returns the directory of the repository that was sent as the root.
// With reposerver.use.manifest.generate.paths repo-server sends only
// the common ancestor of the annotated paths; the variable for the source's
// path, which ends in dir then, tells which part is missing in front.
func Narrowed(sourcePath, dir string) string {
	// Rooted, so that it cannot leave the repository.
	sourcePath = path.Clean("." + path.Clean("/"+sourcePath))
	if dir == "." {
		return sourcePath
	}
	if prefix, ok := strings.CutSuffix(sourcePath, "/"+dir); ok {
		return prefix
	}
	return "."
}
