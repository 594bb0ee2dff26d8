package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// status sends a request and returns the answer's status; 0 with an error if there is none.
func status(ctx context.Context, client *http.Client, method, url string, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	return answer(client, request)
}

// answer sends a request and returns the answer's status; 0 with an error if there is none.
func answer(client *http.Client, request *http.Request) (int, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// fetch reads an answer of JSON.
func fetch(ctx context.Context, client *http.Client, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.300s", response.Status, data)
	}
	return json.Unmarshal(data, into)
}

// sample is one series of an answer of Prometheus.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

// prometheus asks the cluster's Prometheus.
type prometheus struct{ client *http.Client }

func (r *reach) prometheus(t *testing.T) prometheus {
	t.Helper()
	return prometheus{r.client(r.service(t, "monitoring", "prometheus", "web"))}
}

func (p prometheus) query(t *testing.T, expression string) ([]sample, error) {
	var answer struct {
		Data struct{ Result []sample }
	}
	err := fetch(t.Context(), p.client, "http://prometheus/api/v1/query?query="+url.QueryEscape(expression), &answer)
	return answer.Data.Result, err
}

// firing are the labels of an alert that fires.
func (p prometheus) firing(t *testing.T, name, namespace string) ([]sample, error) {
	return p.query(t, fmt.Sprintf(`ALERTS{alertname=%q, namespace=%q, alertstate="firing"}`, name, namespace))
}
