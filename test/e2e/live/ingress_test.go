package live

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

const prod = "core-pipeline-prod"

// Criterion 4: the Ingress of prod is served over TLS with the certificate that cert-manager made for it, and the
// policy in its values takes effect.
func TestCriterion4Ingress(t *testing.T) {
	t.Parallel()
	criterion(t, 4)
	r := reachPlane(t, platform.Canary)
	// Its load is as much as it can send.
	claim(t, changes(canaryPods).keeps(canaryObjects))
	host, https := r.edge(t)

	t.Run("certificate", func(t *testing.T) {
		eventually(t, 2*time.Minute, "an answer over TLS", func() (bool, string) {
			code, err := status(t.Context(), https, http.MethodGet, "https://"+host+"/health", nil)
			return code == http.StatusOK, fmt.Sprint(code, " ", err)
		})
		conn, err := r.Dial(t.Context(), r.service(t, "traefik", "traefik", "websecure"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // nothing was sent
		shake := tls.Client(conn, https.Transport.(*http.Transport).TLSClientConfig.Clone())
		if err := shake.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		leaf := shake.ConnectionState().PeerCertificates[0]
		report(t, 4, "%s is served with a certificate of %q that verifies and ends %s", host, leaf.Issuer.CommonName, leaf.NotAfter.Format(time.DateOnly))
	})
	t.Run("plain HTTP leads nowhere", func(t *testing.T) {
		code, err := status(t.Context(), r.client(r.service(t, "traefik", "traefik", "web")), http.MethodGet, "http://"+host+"/health", nil)
		if code != http.StatusNotFound {
			t.Errorf("%d, %v", code, err)
		}
	})
	t.Run("metrics are refused", func(t *testing.T) {
		for _, path := range []string{"/metrics", "/metrics/"} {
			if code, err := status(t.Context(), https, http.MethodGet, "https://"+host+path, nil); code != http.StatusForbidden {
				t.Errorf("%s: %d, %v", path, code, err)
			}
		}
	})
	t.Run("body size", func(t *testing.T) {
		limit := r.middleware(t, "body-size", "{.spec.buffering.maxRequestBodyBytes}")
		for size, refused := range map[int]bool{limit: false, limit + 1: true} {
			code, err := status(t.Context(), https, http.MethodPost, "https://"+host+"/", make([]byte, size))
			if err != nil || (code == http.StatusRequestEntityTooLarge) != refused {
				t.Errorf("%d bytes: %d, %v", size, code, err)
			}
		}
		report(t, 4, "a body of %d bytes passes, one more is answered 413", limit)
	})
	t.Run("rate limit", func(t *testing.T) {
		rate, burst := r.middleware(t, "rate-limit", "{.spec.rateLimit.average}"), r.middleware(t, "rate-limit", "{.spec.rateLimit.burst}")
		// While pods come and go, more passes than the limit allows.
		r.run(t, "rollout", "status", "deployment/core-pipeline", "-n", prod, "--timeout=120s")
		start := time.Now()
		stop := load(t.Context(), https, "https://"+host+"/health", 16)
		timer := time.NewTimer(5 * time.Second)
		defer timer.Stop()
		<-timer.C
		seen := stop()
		seconds := time.Since(start).Seconds()
		most := float64(burst) + float64(rate)*seconds
		if n := float64(seen[http.StatusOK]); seen[http.StatusTooManyRequests] == 0 || n > most*1.1 || n < float64(rate)*seconds*0.5 {
			t.Errorf("%v in %.1f s, want at most %.0f answers 200", seen, seconds, most)
		}
		recovered := eventually(t, time.Minute, "an answer after the limit", func() (bool, string) {
			code, err := status(t.Context(), https, http.MethodGet, "https://"+host+"/health", nil)
			return code == http.StatusOK, fmt.Sprint(code, err)
		})
		report(t, 4, "with %d/s and bursts of %d, %d requests pass in %.1f s and %d are answered 429; %s later one passes again",
			rate, burst, seen[http.StatusOK], seconds, seen[http.StatusTooManyRequests], recovered)
		for code := range maps.Keys(seen) {
			if code != http.StatusOK && code != http.StatusTooManyRequests {
				t.Errorf("%d requests were answered %d", seen[code], code)
			}
		}
	})
}

// edge is the host of prod's Ingress, and a client that comes to it through the ingress controller and trusts the CA of
// the cluster only.
func (r *reach) edge(t *testing.T) (string, *http.Client) {
	t.Helper()
	host := strings.TrimSpace(r.run(t, "get", "ingress", "core-pipeline", "-n", prod, "-o", "jsonpath={.spec.tls[0].hosts[0]}"))
	encoded := r.run(t, "get", "secret", "ca", "-n", "cert-manager", "-o", `jsonpath={.data.tls\.crt}`)
	pem, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the CA's Secret has no certificate")
	}
	client := r.client(r.service(t, "traefik", "traefik", "websecure"))
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	return host, client
}

// middleware reads a number of a Middleware of prod.
func (r *reach) middleware(t *testing.T, suffix, path string) int {
	t.Helper()
	var n int
	text := r.run(t, "get", "middlewares.traefik.io", "core-pipeline-"+suffix, "-n", prod, "-o", "jsonpath="+path)
	if _, err := fmt.Sscan(text, &n); err != nil || n <= 0 {
		t.Fatalf("the middleware %s says %q: %v", suffix, text, err)
	}
	return n
}
