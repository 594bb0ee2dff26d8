package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the certificates of a plane.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A run is not older than a few hours.
const validity = 30 * 24 * time.Hour

func newAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &authority{dir: dir}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: filepath.Base(dir) + "-ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	var err error
	if a.cert, a.key, err = a.sign("ca", template); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Of the tokens of service accounts.
	return a, writeKey(filepath.Join(dir, "sa.key"), key)
}

// leaf writes <name>.crt and <name>.key for a client and server of that user, groups and names or addresses.
func (a *authority) leaf(name, user string, groups []string, hosts ...string) error {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: user, Organization: groups}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	_, _, err := a.sign(name, template)
	return err
}

func (a *authority) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(validity)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(a.dir, name+".crt"), data, 0o644); err != nil {
		return nil, nil, err
	}
	if err := writeKey(filepath.Join(a.dir, name+".key"), key); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// writeKey writes the only form of which the API server also takes the public key.
func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writePKI writes the certificates and kubeconfig files of every plane.
func (c *Config) writePKI() error {
	for i, p := range c.Planes {
		dir := c.path("pki", p.Name)
		a, err := newAuthority(dir)
		if err != nil {
			return err
		}
		hosts := append([]string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", GitHost, "127.0.0.1", gateway, serviceAddress(i, 1),
		}, aliases...)
		type user struct {
			name, user string
			groups     []string
			hosts      []string
		}
		users := []user{
			{"apiserver", "kube-apiserver", nil, hosts},
			{"admin", "admin", []string{"system:masters"}, nil},
			{"controller-manager", "system:kube-controller-manager", nil, nil},
			{"scheduler", "system:kube-scheduler", nil, nil},
			{"proxy", "system:kube-proxy", nil, nil},
			{"front-proxy", "front-proxy", nil, nil},
		}
		for _, n := range c.nodes() {
			if n.plane == i {
				users = append(users, user{n.name, "system:node:" + n.name, []string{"system:nodes"}, []string{n.name, n.address()}})
			}
		}
		for _, u := range users {
			if err := a.leaf(u.name, u.user, u.groups, u.hosts...); err != nil {
				return fmt.Errorf("signing for %s: %w", u.name, err)
			}
			if err := c.writeKubeconfig(filepath.Join(dir, u.name+".kubeconfig"), p.Name, u.name, ""); err != nil {
				return err
			}
		}
		if err := c.writeKubeconfig(c.Kubeconfig(p.Name), p.Name, "admin", "http://"+c.Proxy); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig names files by their paths: who reads it is on this machine.
func (c *Config) writeKubeconfig(file, plane, user, proxy string) error {
	pki := c.path("pki", plane)
	line := ""
	if proxy != "" {
		line = fmt.Sprintf("    proxy-url: %s\n", proxy)
	}
	return os.WriteFile(file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority: %[3]s/ca.crt
%[4]susers:
- name: %[5]s
  user: {client-certificate: %[3]s/%[5]s.crt, client-key: %[3]s/%[5]s.key}
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[5]s}
current-context: %[1]s
`, plane, c.URL(plane, 0), pki, line, user), 0o600)
}
