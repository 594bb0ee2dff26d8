package fleet

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options say what a check compares with.
type Options struct {
	// Now is the time at which certificates must be valid.
	Now time.Time
}

// reference is a value that External Secrets puts into a template.
var reference = regexp.MustCompile(`"?\{\{-?\s*\.(\w+)\s*(?:\|\s*(\w+)\s*)?-?\}\}"?`)

// placeholder stands for a reference while the template is read as JSON.
const placeholder = "from-the-store"

// checkConfig reports what is wrong with the JSON of a cluster's connection.
func (c *Cluster) checkConfig(d *document, options Options) {
	field := c.field("data", "config")
	text := c.Config
	if text == "" {
		d.find(field, "is missing")
		return
	}
	if c.external != nil {
		text = c.fillReferences(d, field, text)
	}
	if !json.Valid([]byte(text)) {
		d.find(field, "is not JSON, and Argo CD would stop reading all clusters")
		return
	}
	var config clusterConfig
	if !d.decodeJSON(field, text, &config) {
		return
	}
	c.checkCredentials(d, field, config)
	c.checkAuthentication(d, field, config)
	tls := config.TLSClientConfig
	if tls.Insecure {
		d.find(field+".tlsClientConfig.insecure", "anybody could pose as the cluster; give caData instead")
	}
	if tls.CAData != "" && tls.CAData != placeholder {
		if err := checkCA(tls.CAData, options.Now); err != nil {
			d.find(field+".tlsClientConfig.caData", "%v", err)
		}
	}
}

// fillReferences replaces references by a placeholder, and reports those to
// keys that the ExternalSecret does not fetch.
func (c *Cluster) fillReferences(d *document, field, text string) string {
	fetched := map[string]bool{}
	for _, item := range c.external.Spec.Data {
		fetched[item.SecretKey] = true
	}
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		match := reference.FindStringSubmatch(found)
		if !fetched[match[1]] {
			d.find(field, "uses %s, which spec.data does not fetch", clip(match[1]))
		}
		// A quote in the value would end a JSON string.
		quoted := strings.HasPrefix(found, `"`)
		if safe := !quoted && match[2] == "toJson" || quoted && match[2] == "b64enc"; !safe {
			d.find(field, "write {{ .%s | toJson }} without quotes: it may hold a quote", clip(match[1]))
		}
		return `"` + placeholder + `"`
	})
}

// checkAuthentication wants exactly one way to authenticate.
func (c *Cluster) checkAuthentication(d *document, field string, config clusterConfig) {
	var ways []string
	for _, way := range []struct {
		name string
		used bool
	}{
		{"awsAuthConfig", config.AWSAuthConfig != nil},
		{"execProviderConfig", config.ExecProviderConfig != nil},
		{"bearerToken", config.BearerToken != ""},
		{"username", config.Username != ""},
		{"tlsClientConfig.keyData", config.TLSClientConfig.KeyData != ""},
	} {
		if way.used {
			ways = append(ways, way.name)
		}
	}
	switch {
	case len(ways) == 0 && c.Server != InCluster:
		d.find(field, "says no way to authenticate; expected awsAuthConfig or execProviderConfig, or an ExternalSecret")
	case len(ways) > 1:
		d.find(field, "says more than one way to authenticate: %s", strings.Join(ways, ", "))
	}
	if a := config.AWSAuthConfig; a != nil {
		d.required([2]string{field + ".awsAuthConfig.clusterName", a.ClusterName})
	}
	if e := config.ExecProviderConfig; e != nil {
		d.required([2]string{field + ".execProviderConfig.command", e.Command}, [2]string{field + ".execProviderConfig.apiVersion", e.APIVersion})
	}
}

var (
	secretName = regexp.MustCompile(`(?i)secret|passw|token|credential|private|api_?key|access_?key`)
	notSecret  = regexp.MustCompile(`(?i)(file|path|dir|url|uri|name|id|audience|scope|mode|type)$`)
	secretFlag = regexp.MustCompile(`(?i)^--?([a-z-]*-)?(token|password|secret|client-secret|api-key)(=|$)`)
)

// checkCredentials refuses what a file of a repository must not hold. In an
// ExternalSecret it must come from the store.
func (c *Cluster) checkCredentials(d *document, field string, config clusterConfig) {
	refuse := func(name, value string) {
		if value != "" && value != placeholder {
			d.find(field+"."+name, "is a credential; take it from a store with an ExternalSecret (cluster add --auth external-secret)")
		}
	}
	refuse("bearerToken", config.BearerToken)
	refuse("password", config.Password)
	refuse("tlsClientConfig.keyData", config.TLSClientConfig.KeyData)
	if u, err := url.Parse(config.ProxyURL); err != nil || u.User != nil {
		refuse("proxyUrl", config.ProxyURL)
	}
	e := config.ExecProviderConfig
	if e == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.Env)) {
		if secretName.MatchString(name) && !notSecret.MatchString(name) {
			refuse("execProviderConfig.env."+name, e.Env[name])
		}
	}
	for i, arg := range e.Args {
		if secretFlag.MatchString(arg) {
			refuse(fmt.Sprintf("execProviderConfig.args[%d]", i), arg)
		}
	}
}

// checkCA wants certificates in PEM, in base64, that are valid now.
func checkCA(data string, now time.Time) error {
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fmt.Errorf("is not base64 of certificates in PEM")
	}
	rest := decoded
	for count := 0; ; count++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if count == 0 || len(bytes.TrimSpace(rest)) > 0 {
				return fmt.Errorf("is not certificates in PEM")
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds something else than certificates")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read", count+1)
		}
		switch {
		case now.After(certificate.NotAfter):
			return fmt.Errorf("certificate %d expired on %s; replace it", count+1, certificate.NotAfter.Format(time.DateOnly))
		case now.Before(certificate.NotBefore):
			return fmt.Errorf("certificate %d is valid only from %s", count+1, certificate.NotBefore.Format(time.DateOnly))
		}
	}
}
