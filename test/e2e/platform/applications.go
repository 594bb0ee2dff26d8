package platform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
)

const applicationsPath = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"

// Root is the name of the Application of the bootstrap.
const Root = "core-pipeline-root"

// Application is what the tests look at of an Application of Argo CD.
type Application struct {
	Metadata struct{ Name, UID string }
	Spec     struct {
		Project     string
		Destination struct{ Name, Namespace string }
	}
	Status struct {
		Sync       struct{ Status, Revision string }
		Health     struct{ Status string }
		Conditions []struct{ Type, Message string }
		// ReconciledAt is when Argo CD has compared it last.
		ReconciledAt   time.Time
		OperationState struct {
			Phase, Message string
			StartedAt      time.Time
			FinishedAt     time.Time
			RetryCount     int
			SyncResult     struct {
				Revision  string
				Resources []struct{ Kind, Name, Status, Message, HookPhase string }
			}
		}
		Resources []struct{ Kind, Name, Status string }
	}
}

// Good says whether it is synced and healthy, and no sync is under way: one that waits for a hook may be all of that.
func (a Application) Good() bool {
	phase := a.Status.OperationState.Phase
	return a.Status.Sync.Status == "Synced" && a.Status.Health.Status == "Healthy" && phase != "Running" && phase != "Terminating"
}

// String is its state in one line.
func (a Application) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s, %s", a.Metadata.Name, a.Status.Sync.Status, a.Status.Health.Status)
	if a.Status.OperationState.Phase != "Succeeded" {
		fmt.Fprintf(&text, ", %s %q", a.Status.OperationState.Phase, a.Status.OperationState.Message)
	}
	for _, c := range a.Status.Conditions {
		fmt.Fprintf(&text, "; %s: %.300s", c.Type, c.Message)
	}
	return text.String()
}

// Applications are all Applications, by name.
func (p *Platform) Applications(ctx context.Context) (map[string]Application, error) {
	var list struct{ Items []Application }
	if err := p.Get(ctx, Hub, applicationsPath, &list); err != nil {
		return nil, err
	}
	all := map[string]Application{}
	for _, a := range list.Items {
		all[a.Metadata.Name] = a
	}
	return all, nil
}

// Get reads an object, or a list, from a path of a plane's API. It costs less than a kubectl, for what is asked often.
func (p *Platform) Get(ctx context.Context, plane, path string, into any) error {
	client, err := p.client(plane)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL(plane, 0)+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s to %s", plane, response.Status, path)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func (p *Platform) client(plane string) (*http.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, there := p.clients[plane]; there {
		return c, nil
	}
	c, err := p.Client(plane)
	if err != nil {
		return nil, err
	}
	if p.clients == nil {
		p.clients = map[string]*http.Client{}
	}
	p.clients[plane] = c
	return c, nil
}

// refreshTime is how long Argo CD may take to compare one Application.
const refreshTime = 2 * time.Minute

// Refresh lets Argo CD compare an Application again and waits until it has: "hard" lets it render again, too. Its times
// are whole seconds, so that it is done shows in the annotation, which it removes.
func (p *Platform) Refresh(ctx context.Context, application, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	args := []string{"-n", "argocd", "annotate", "applications.argoproj.io", application, "argocd.argoproj.io/refresh=" + kind, "--overwrite"}
	if _, err := p.Kubectl(ctx, Hub, "", args...); err != nil {
		return err
	}
	for {
		var a struct {
			Metadata struct{ Annotations map[string]string }
		}
		if err := p.Get(ctx, Hub, applicationsPath+"/"+application, &a); err != nil {
			return fmt.Errorf("waiting for a comparison of %s: %w", application, err)
		}
		if _, left := a.Metadata.Annotations["argocd.argoproj.io/refresh"]; !left {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Sync syncs an Application as a person does who presses the button.
func (p *Platform) Sync(ctx context.Context, application string) error {
	_, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "patch", "applications.argoproj.io", application, "--type=merge",
		"-p", `{"operation": {"initiatedBy": {"username": "e2e"}, "sync": {"syncOptions": ["ServerSideApply=true", "RespectIgnoreDifferences=true"]}}}`)
	return err
}

// Terminate ends a sync that is under way, or parked. A progressive sync may begin it again at once: that one is ended as
// well, and one of another revision left alone.
func (p *Platform) Terminate(ctx context.Context, application string) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	for first := ""; ; {
		all, err := p.Applications(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the end of a sync of %s: %w", application, err)
		}
		o := all[application].Status.OperationState
		if first == "" {
			first = o.SyncResult.Revision
		}
		switch {
		case o.Phase == "Terminating":
		case o.Phase != "Running" || o.SyncResult.Revision != first:
			return nil
		default:
			if _, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "patch", "applications.argoproj.io", application, "--type=merge",
				"-p", `{"status": {"operationState": {"phase": "Terminating"}}}`); err != nil {
				return err
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Publish commits and pushes, and tells Argo CD of it with the webhook that GitHub would send. It returns the revision.
func (p *Platform) Publish(ctx context.Context, message string) (string, error) {
	before, err := p.Repository.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	revision, err := p.Repository.Commit(ctx, message)
	if err != nil {
		return "", err
	}
	files, err := p.Repository.git(ctx, "diff", "--name-only", strings.TrimSpace(before), revision)
	if err != nil {
		return "", err
	}
	push := map[string]any{
		"ref": "refs/heads/main", "before": strings.TrimSpace(before), "after": revision,
		"repository": map[string]any{"html_url": "https://" + cluster.GitHost + "/" + name, "default_branch": "main"},
		"commits":    []any{map[string]any{"modified": strings.Fields(files)}},
	}
	body, err := json.Marshal(push)
	if err != nil {
		return "", err
	}
	address, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "get", "service", "argocd-server", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/api/webhook", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	transport := p.Transport()
	defer transport.CloseIdleConnections()
	// Argo CD signs its own certificate when it is installed. Nothing secret is sent.
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	response, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close() // only the status is asked for
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("argocd-server answers %s to the webhook", response.Status)
	}
	return revision, nil
}
