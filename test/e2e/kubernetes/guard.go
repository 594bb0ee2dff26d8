package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// guard is between a test and a cluster that is somebody's. It remembers what the test makes, and lets it write to
// nothing else.
type guard struct {
	api       *rest.RESTClient
	target    *url.URL
	transport http.RoundTripper

	mu   sync.Mutex
	made []object
	// namespaces are those that the test made, and whether pods are kept out of them already.
	namespaces map[string]bool
}

// object is one that the test made and that is in no namespace.
type object struct {
	path string
	uid  types.UID
}

func newGuard(config *rest.Config) (*guard, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.AcceptContentTypes, config.ContentType = "application/json", "application/json"
	api, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, err
	}
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	return &guard{api: api, target: target, transport: transport, namespaces: map[string]bool{}}, nil
}

// handler passes on what the holder of a token asks for.
func (g *guard) handler(token string) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(g.target)
			r.Out.Header.Del("Authorization")
			if writes(r.In) {
				// The answer is read here.
				r.Out.Header.Set("Accept", "application/json")
				r.Out.Header.Del("Accept-Encoding")
			}
		},
		Transport:     g.transport,
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refusal(w, apierrors.NewServiceUnavailable(err.Error()))
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode != http.StatusCreated || !writes(r.Request) {
				return nil
			}
			return g.note(r)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "the token is another", http.StatusUnauthorized)
			return
		}
		if writes(r) {
			a := parse(r.URL.Path)
			if err := g.permit(r.Context(), r.Method, a); err != nil {
				refusal(w, apierrors.NewForbidden(schema.GroupResource{Group: a.group, Resource: a.resource}, a.name, err))
				return
			}
		}
		proxy.ServeHTTP(w, r)
	})
}

func refusal(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status) // who asked may have gone
}

// writes tells whether a request leaves something behind.
func writes(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return r.URL.Query().Get("dryRun") != metav1.DryRunAll
	case http.MethodDelete:
		return true // what its body says goes before the query
	}
	return false
}

// address is what a path of the API names. Of a namespace it is the object namespaces/name, in no namespace.
type address struct {
	group, namespace, resource, name string
	// object is the path without a subresource.
	object string
}

func parse(path string) address {
	var a address
	parts := strings.Split(strings.Trim(path, "/"), "/")
	prefix := 2 // api/v1
	if parts[0] == "apis" {
		prefix = 3
	}
	if len(parts) <= prefix {
		return a
	}
	if prefix == 3 {
		a.group = parts[1]
	}
	rest := parts[prefix:]
	// A namespace has subresources of its own.
	if rest[0] == "namespaces" && len(rest) > 2 && rest[2] != "status" && rest[2] != "finalize" {
		a.namespace, rest = rest[1], rest[2:]
	}
	a.resource = rest[0]
	if len(rest) > 1 {
		a.name = rest[1]
	}
	above := len(parts) - len(rest)
	a.object = "/" + strings.Join(parts[:above+min(len(rest), 2)], "/")
	return a
}

// permit says why a write is none of the test's business. What makes pods is let into a namespace when no pods can be
// made there.
func (g *guard) permit(ctx context.Context, method string, a address) error {
	g.mu.Lock()
	quota, ours := g.namespaces[a.namespace]
	made := slices.ContainsFunc(g.made, func(o object) bool { return o.path == a.object })
	g.mu.Unlock()
	switch {
	case ours:
		if !quota && (a.group == "apps" || a.group == "batch" || a.resource == "pods" || a.resource == "replicationcontrollers") {
			return g.keepPodsOut(ctx, a.namespace)
		}
		return nil
	case a.namespace != "":
		return fmt.Errorf("the test has not made the namespace %s, and may write to no other", a.namespace)
	case made, method == http.MethodPost && a.name == "":
		return nil
	case a.name == "":
		return fmt.Errorf("the test may not delete what it has not made")
	}
	err := g.get(ctx, a.object, nil)
	if err == nil {
		return fmt.Errorf("%s was there before the test, which may not change it", a.object)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// keepPodsOut lets nothing run: a test is about objects, and what they would start is not the cluster's business.
func (g *guard) keepPodsOut(ctx context.Context, namespace string) error {
	const quota = `{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"e2e-no-pods"},"spec":{"hard":{"pods":"0"}}}`
	if err := g.api.Post().AbsPath("/api/v1/namespaces/" + namespace + "/resourcequotas").Body([]byte(quota)).Do(ctx).Error(); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("keeping pods out of %s: %w", namespace, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.namespaces[namespace] = true
	return nil
}

// note remembers what was made.
func (g *guard) note(r *http.Response) error {
	data, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	r.Header.Set("Content-Length", fmt.Sprint(len(data)))
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(data, &o); err != nil {
		return fmt.Errorf("reading what was made: %w", err)
	}
	a := parse(strings.TrimPrefix(r.Request.URL.Path, strings.TrimSuffix(g.target.Path, "/")))
	g.mu.Lock()
	if o.UID != "" && a.namespace == "" { // a review of access has no identity
		if a.name == "" {
			a.name, a.object = o.Name, a.object+"/"+o.Name
		}
		g.made = append(g.made, object{a.object, o.UID})
		if a.resource == "namespaces" {
			g.namespaces[o.Name] = false
		}
	}
	g.mu.Unlock()
	if a.resource == "namespaces" && a.group == "" {
		g.settle(r.Request.Context(), o.Name)
	}
	return nil
}

// settle waits for what controllers put into every namespace, without which the server lets no pod in. Where none of
// them run, there is nothing to wait for.
func (g *guard) settle(ctx context.Context, namespace string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if g.get(ctx, "/api/v1/namespaces/"+namespace+"/serviceaccounts/default", nil) == nil {
			return
		}
	}
}
