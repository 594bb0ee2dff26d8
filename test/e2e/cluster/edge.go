package cluster

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// registryDir is where the registry has its blobs, by algorithm and digest.
const registryDir = "registry"

// Edge serves the run's proxy at the listener it is given, and in the network namespace it is started in the registry
// and the Git server.
func Edge(ctx context.Context, c *Config, listener net.Listener) error {
	images := &http.Server{
		Addr: Registry, ReadHeaderTimeout: time.Minute,
		Handler: registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(c.path(registryDir)))),
	}
	pki := c.path("pki", c.Planes[0].Name)
	git := &http.Server{
		Addr: gateway + ":443", ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		Handler: &cgi.Handler{
			Path: "/usr/bin/git", Args: []string{"http-backend"},
			Env: []string{"GIT_PROJECT_ROOT=" + c.path("git"), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
		},
	}
	proxy := &http.Server{Handler: http.HandlerFunc(tunnel), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 3)
	go func() { ended <- images.ListenAndServe() }()
	go func() { ended <- git.ListenAndServeTLS(pki+"/apiserver.crt", pki+"/apiserver.key") }()
	go func() { ended <- proxy.Serve(listener) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// tunnel is an HTTP proxy: it connects to what CONNECT names, and forwards requests for http URLs.
func tunnel(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		forwardRequest(w, r)
		return
	}
	to, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = to.Close() }()
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = from.Close() }()
	if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	pipe := func(dst net.Conn, src io.Reader) {
		_, _ = io.Copy(dst, src)
		if half, ok := dst.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go pipe(to, buffered)
	go pipe(from, to)
	<-done
	<-done
}

func forwardRequest(w http.ResponseWriter, r *http.Request) {
	if !r.URL.IsAbs() || r.URL.Scheme != "http" {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	for name := range out.Header {
		if strings.HasPrefix(name, "Proxy-") {
			out.Header.Del(name)
		}
	}
	response, err := direct.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

var direct = &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}

// EdgeListener is the listener that the supervisor gives to the edge.
func EdgeListener() (net.Listener, error) {
	file := os.NewFile(3, "edge")
	defer file.Close() //nolint:errcheck // the listener has its own
	return net.FileListener(file)
}
