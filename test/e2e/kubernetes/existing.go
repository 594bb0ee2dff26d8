package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// variable names the kubeconfig file of a cluster that is there already.
const variable = "E2E_KUBECONFIG"

// namespaces are those that the tests make.
var namespaces = regexp.MustCompile(`^(argocd|core-pipeline(-.*)?)$`)

// patience is how long what was made may take to go.
const patience = 10 * time.Minute

// existing is the cluster of a kubeconfig file, until the test ends.
func existing(t testing.TB, file string, definitions []string) *Server {
	t.Helper()
	config, err := load(file)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	g, err := newGuard(config)
	if err == nil {
		err = g.refuse(t.Context(), definitions)
	}
	if err != nil {
		t.Fatalf("%s: the cluster at %s %v", variable, config.Host, err)
	}
	token := rand.Text()
	listener := httptest.NewUnstartedServer(g.handler(token))
	listener.EnableHTTP2 = true
	listener.StartTLS()
	t.Cleanup(func() {
		listener.CloseClientConnections()
		listener.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := g.clean(ctx); err != nil {
			t.Errorf("%s: the cluster at %s %v", variable, config.Host, err)
		}
	})
	return newServer(t, listener.URL, token)
}

// load takes the cluster from the file and from nowhere else.
func load(file string) (*rest.Config, error) {
	loaded, err := (&clientcmd.ClientConfigLoadingRules{ExplicitPath: file}).Load()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	config.QPS, config.Burst, config.WarningHandler = 1000, 1000, rest.NoWarnings{}
	return config, nil
}

// refuse says why the tests cannot run on this cluster.
func (g *guard) refuse(ctx context.Context, definitions []string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := g.get(ctx, "/version", nil); err != nil {
		return fmt.Errorf("does not answer: %w", err)
	}
	may, err := g.mayDoEverything(ctx)
	if err != nil {
		return fmt.Errorf("does not say what this user may do: %w", err)
	}
	if !may {
		return fmt.Errorf("does not let this user do everything, which the tests need")
	}
	var list metav1.PartialObjectMetadataList
	if err := g.get(ctx, "/api/v1/namespaces", &list); err != nil {
		return fmt.Errorf("does not list its namespaces: %w", err)
	}
	for _, o := range list.Items {
		if namespaces.MatchString(o.Name) {
			return fmt.Errorf("has the namespace %s, which the tests make: delete it, or take another cluster", o.Name)
		}
	}
	for _, name := range definitions {
		switch err := g.get(ctx, definitionsPath+"/"+name, nil); {
		case err == nil:
			return fmt.Errorf("has the custom resource definition %s, which the tests make: delete it, or take another cluster", name)
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("does not say whether it has %s: %w", name, err)
		}
	}
	return nil
}

func (g *guard) mayDoEverything(ctx context.Context) (bool, error) {
	const review = `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"*","group":"*","resource":"*"}}}`
	data, err := g.api.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").Body([]byte(review)).Do(ctx).Raw()
	if err != nil {
		return false, err
	}
	var answer struct{ Status struct{ Allowed bool } }
	err = json.Unmarshal(data, &answer)
	return answer.Status.Allowed, err
}

// get reads what is at a path.
func (g *guard) get(ctx context.Context, path string, into any) error {
	result := g.api.Get().AbsPath(path).Do(ctx)
	if err := result.Error(); err != nil || into == nil { // Raw would not say what the server says
		return err
	}
	data, err := result.Raw()
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
