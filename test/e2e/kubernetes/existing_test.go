package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// fake is an API server in memory: what is at each path. What has finalizers stays until they are taken away, and a
// definition stays as long as there are objects of it.
type fake struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	made    int
	refuses bool
}

func meta(o map[string]any) map[string]any {
	m, _ := o["metadata"].(map[string]any)
	if m == nil {
		m = map[string]any{}
		o["metadata"] = m
	}
	return m
}

func (f *fake) put(path string, o map[string]any) map[string]any {
	f.made++
	meta(o)["uid"] = path + "#" + string(rune('a'+f.made%26))
	meta(o)["name"] = path[strings.LastIndex(path, "/")+1:]
	if _, after, ok := strings.Cut(path, "/namespaces/"); ok && strings.Contains(after, "/") {
		meta(o)["namespace"], _, _ = strings.Cut(after, "/")
	}
	f.objects[path] = o
	if name, ok := strings.CutPrefix(path, "/api/v1/namespaces/"); ok && !strings.Contains(name, "/") {
		f.objects[path+"/serviceaccounts/default"] = map[string]any{"metadata": map[string]any{"namespace": name}}
	}
	return o
}

// collect deletes what is in a namespace that is deleted, and removes what is deleted and held by nothing.
func (f *fake) collect() {
	for again := true; again; {
		again = false
		for path, o := range f.objects {
			deleted := meta(o)["deletionTimestamp"] != nil
			if namespace, ok := meta(o)["namespace"].(string); ok && f.objects["/api/v1/namespaces/"+namespace] == nil {
				deleted = true
			}
			if !deleted || meta(o)["finalizers"] != nil {
				continue
			}
			held := false
			for other := range f.objects {
				held = held || strings.HasSuffix(path, "/widgets.example.com") && strings.HasPrefix(other, "/apis/example.com/v1/")
			}
			if !held {
				delete(f.objects, path)
				again = true
			}
		}
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.collect()
	reply := func(code int, o any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(o)
	}
	status := func(code int, reason string) {
		reply(code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
	}
	path := r.URL.Path
	o, there := f.objects[path]
	body := map[string]any{}
	if data, err := io.ReadAll(r.Body); err == nil {
		_ = json.Unmarshal(data, &body)
	}
	switch {
	case strings.HasSuffix(path, "reviews"):
		reply(http.StatusCreated, map[string]any{"status": map[string]any{"allowed": !f.refuses}})
	case r.Method == http.MethodGet && there:
		reply(http.StatusOK, o)
	case r.Method == http.MethodGet && (path == "/api/v1/namespaces" || path == "/apis/example.com/v1/widgets"):
		items := []any{}
		for at, o := range f.objects {
			if name, ok := strings.CutPrefix(at, path+"/"); ok && !strings.Contains(name, "/") || path != "/api/v1/namespaces" && strings.Contains(at, "/widgets/") {
				items = append(items, o)
			}
		}
		reply(http.StatusOK, map[string]any{"items": items})
	case r.Method == http.MethodPost:
		reply(http.StatusCreated, f.put(path+"/"+meta(body)["name"].(string), body))
	case r.Method == http.MethodPatch && there:
		if changes, ok := meta(body)["finalizers"]; ok {
			meta(o)["finalizers"] = changes
		}
		reply(http.StatusOK, o)
	case r.Method == http.MethodPatch:
		reply(http.StatusCreated, f.put(path, body))
	case r.Method == http.MethodDelete && there:
		conditions, _ := body["preconditions"].(map[string]any)
		if conditions != nil && conditions["uid"] != meta(o)["uid"] {
			status(http.StatusConflict, "Conflict")
			return
		}
		meta(o)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
		reply(http.StatusOK, o)
	default:
		status(http.StatusNotFound, "NotFound")
	}
}

func (f *fake) paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.collect()
	var out []string
	for path := range f.objects {
		if !strings.Contains(path, "/serviceaccounts/") {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// newFake has what somebody has.
func newFake(t *testing.T, paths ...string) (*fake, *guard) {
	t.Helper()
	f := &fake{objects: map[string]map[string]any{"/version": {}}}
	for _, path := range append(paths, "/api/v1/namespaces/default", roles+"/theirs") {
		f.put(path, map[string]any{})
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	g, err := newGuard(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return f, g
}

const (
	roles   = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	widgets = "/apis/example.com/v1/namespaces/argocd/widgets"
	widget  = `{"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","names":{"plural":"widgets"},"versions":[{"name":"v1","served":true}]}}`
)

// TestRefuse: a cluster that the tests would be in the way of.
func TestRefuse(t *testing.T) {
	definition := definitionsPath + "/widgets.example.com"
	for want, paths := range map[string][]string{
		"":                           {"/api/v1/namespaces/team-core-pipeline"},
		"has the namespace argocd,":  {"/api/v1/namespaces/argocd"},
		"namespace core-pipeline-x,": {"/api/v1/namespaces/core-pipeline-x"},
		"has the custom resource definition widgets.example.com,": {definition},
	} {
		_, g := newFake(t, paths...)
		err := g.refuse(t.Context(), []string{"widgets.example.com"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", paths, err)
		}
	}
	f, g := newFake(t)
	f.refuses = true
	if err := g.refuse(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "everything") {
		t.Error(err)
	}
	nothing, err := newGuard(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := nothing.refuse(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "does not answer: ") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

// TestLoad: a file without a cluster is an error, also in a pod, where there would be one to fall back to.
func TestLoad(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	dir := t.TempDir()
	file := filepath.Join(dir, "kubeconfig")
	writeFile(t, file, "apiVersion: v1\nkind: Config\n")
	for _, name := range []string{file, filepath.Join(dir, "none")} {
		if config, err := load(name); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, %v", config, err)
		}
	}
	if config, err := load(newServer(t, "https://192.0.2.2", "a").Kubeconfig); err != nil || config.Host != "https://192.0.2.2" {
		t.Errorf("%v, %v", config, err)
	}
}

// TestGuardWithoutCluster: who asks is told, in the form that clients of Kubernetes show.
func TestGuardWithoutCluster(t *testing.T) {
	g, err := newGuard(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g.handler("secret"))
	t.Cleanup(server.Close)
	through, err := newGuard(&rest.Config{Host: server.URL, BearerToken: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := through.get(t.Context(), "/version", nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

// TestGuard: a test makes and changes what it likes, nothing that is somebody's, and all that it made goes with it.
func TestGuard(t *testing.T) {
	f, g := newFake(t)
	before := f.paths()
	server := httptest.NewServer(g.handler("secret"))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/v1/namespaces", `{"metadata":{"name":"argocd"}}`, 201},
		{"POST", definitionsPath, widget, 201},
		{"POST", widgets, `{"metadata":{"name":"a","finalizers":["resources-finalizer.argocd.argoproj.io"]}}`, 201},
		{"PATCH", widgets + "/b?fieldManager=a", `{"metadata":{"finalizers":["resources-finalizer.argocd.argoproj.io"]}}`, 201},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{}`, 201},
		{"PATCH", roles + "/ours", `{}`, 201},
		{"PATCH", roles + "/ours", `{}`, 200},
		{"PATCH", roles + "/theirs", `{}`, 403},
		{"PATCH", roles + "/theirs?dryRun=All", `{}`, 200},
		{"PATCH", roles + "/theirs?dryRun=", `{}`, 403},
		{"DELETE", roles + "/theirs", ``, 403},
		{"DELETE", roles + "/theirs?dryRun=All", `{"kind":"DeleteOptions","apiVersion":"v1"}`, 403},
		{"DELETE", roles, ``, 403},
		{"DELETE", roles + "/nobodys", ``, 404},
		{"DELETE", "/api/v1/namespaces/default", ``, 403},
		{"PUT", "/api/v1/namespaces/default/finalize", `{}`, 403},
		{"POST", "/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"a"}}`, 403},
		{"PATCH", "/api/v1/namespaces/default/configmaps/a", `{}`, 403},
		{"POST", "/api/v1/namespaces/argocd/configmaps", `{"metadata":{"name":"a"}}`, 201},
		{"GET", "/api/v1/namespaces/argocd/resourcequotas/e2e-no-pods", ``, 404},
		{"PATCH", "/apis/apps/v1/namespaces/argocd/deployments/a", `{}`, 201},
		{"GET", "/api/v1/namespaces/argocd/resourcequotas/e2e-no-pods", ``, 200},
		{"GET", "/api/v1/namespaces/default", ``, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer secret")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.want || !json.Valid(text) {
			t.Errorf("%s %s: %d %s", c.method, c.path, response.StatusCode, text)
		}
	}
	response, err := http.Get(server.URL + "/version")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing is read
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the token: %s", response.Status)
	}
	// Deleted by somebody, and made again: theirs now.
	f.mu.Lock()
	f.put(roles+"/ours", map[string]any{})
	f.mu.Unlock()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.clean(ctx); err != nil {
		t.Error(err)
	}
	if after, want := f.paths(), slices.Sorted(slices.Values(slices.Concat(before, []string{roles + "/ours"}))); !slices.Equal(after, want) {
		t.Errorf("there are\n%q, and not\n%q", after, want)
	}
}

// TestCleanSays what is still there when time is up.
func TestCleanSays(t *testing.T) {
	f, g := newFake(t)
	o := f.put(roles+"/held", map[string]any{"metadata": map[string]any{"finalizers": []any{"a"}}})
	g.made = []object{{roles + "/held", "other"}}
	if err := g.clean(t.Context()); err != nil {
		t.Errorf("of another: %v", err)
	}
	uid, _ := meta(o)["uid"].(string)
	g.made = []object{{roles + "/held", types.UID(uid)}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := g.clean(ctx); err == nil || !strings.Contains(err.Error(), "still has "+roles+"/held") {
		t.Error(err)
	}
}
