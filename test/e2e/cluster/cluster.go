package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Cluster is a run that others use.
type Cluster struct {
	*Config
	keeper *exec.Cmd
	input  io.Closer
	ended  chan error
}

// Start runs a cluster that ends with this process, however that ends, or with Stop. It waits until all nodes are ready.
func Start(ctx context.Context, planes ...Plane) (*Cluster, error) {
	return start(ctx, false, planes)
}

// StartDetached runs a cluster that stays until Down.
func StartDetached(ctx context.Context, planes ...Plane) (*Cluster, error) {
	return start(ctx, true, planes)
}

func start(ctx context.Context, detached bool, planes []Plane) (*Cluster, error) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return nil, errors.New("a cluster needs root on Linux")
	}
	paths, err := Programs(ctx)
	if err != nil {
		return nil, err
	}
	if err := Sweep(); err != nil {
		return nil, fmt.Errorf("removing what an earlier run has left: %w", err)
	}
	dir, err := NewRun()
	if err != nil {
		return nil, err
	}
	if err := (Wanted{Planes: planes, Programs: paths}).write(dir); err != nil {
		return nil, err
	}
	mode := "attached"
	if detached {
		mode = "detached"
	}
	var said bytes.Buffer
	// Not CommandContext: it has to clean up when it is told to end.
	c := &Cluster{keeper: exec.Command(paths["e2e-cluster"], "keep", dir, mode), ended: make(chan error, 1)}
	c.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if detached {
		log, err := os.Create(dir + ".log")
		if err != nil {
			return nil, err
		}
		defer log.Close() //nolint:errcheck // the process has its own
		c.keeper.Stdout, c.keeper.Stderr = log, log
	} else {
		c.keeper.Stderr = &said
		if c.input, err = c.keeper.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := c.keeper.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := c.keeper.Wait()
		if said.Len() > 0 {
			err = errors.Join(err, errors.New(strings.TrimSpace(said.String())))
		}
		c.ended <- err
	}()
	for {
		if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
			c.Config, err = Open(dir)
			return c, err
		}
		select {
		case err := <-c.ended:
			return nil, fmt.Errorf("starting the cluster: %w", err)
		case <-ctx.Done():
			_ = c.keeper.Process.Signal(syscall.SIGTERM)
			return nil, errors.Join(ctx.Err(), <-c.ended)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stop ends a cluster of Start and waits until everything of it is removed.
func (c *Cluster) Stop() error {
	if c.input != nil {
		_ = c.input.Close() // closed already if the keeper has ended by itself
	}
	return <-c.ended
}

// Down ends the clusters of StartDetached, and removes what others have left. It does not touch those that a test uses.
func Down() error {
	runs, err := Runs()
	if err != nil {
		return err
	}
	logs, _ := filepath.Glob(filepath.Join(runs, "*.log"))
	for _, log := range logs {
		dir := strings.TrimSuffix(log, ".log")
		data, err := os.ReadFile(filepath.Join(dir, "keeper"))
		if err == nil {
			var pid int
			if _, err := fmt.Sscan(string(data), &pid); err != nil {
				return err
			}
			if _, free := lockRun(dir); !free {
				if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
					return err
				}
				for {
					if _, err := os.Stat(dir); err != nil {
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		}
		_ = os.Remove(log)
	}
	return Sweep()
}

// Transport makes HTTP requests in the network of the control planes: to Services, pods and nodes of all planes. Requests
// to a Service come from the zone of its plane's first node.
func (c *Config) Transport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: c.Proxy}), MaxIdleConnsPerHost: 64}
}

// Dial connects to an address in that network.
func (c *Config) Dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", c.Proxy)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", address); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	// The other side says nothing before it is spoken to: what follows the answer's head is not swallowed.
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // what follows is the connection
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("connecting to %s: %s", address, answer.Status)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Client is the administrator of a plane.
func (c *Config) Client(plane string) (*http.Client, error) {
	pki := c.path("pki", plane)
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.CA(plane))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := c.Transport()
	transport.TLSClientConfig = &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport, Timeout: 3 * time.Minute}, nil
}

// Kubectl runs kubectl as administrator of a plane.
func (c *Config) Kubectl(ctx context.Context, plane, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Programs["kubectl"], append([]string{"--kubeconfig", c.Kubeconfig(plane)}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
