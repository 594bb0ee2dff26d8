package fleet

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
)

var owner = regexp.MustCompile(`\bOWNER\b`)

// leftOver reports the placeholder of a file that was copied and not filled in.
func leftOver(file string, data []byte) Findings {
	if !bytes.Contains(data, []byte("OWNER")) {
		return nil
	}
	var all Findings
	for i, line := range bytes.Split(data, []byte("\n")) {
		if owner.Match(line) {
			key, _, _ := strings.Cut(strings.TrimLeft(string(line), " -"), ":")
			all = append(all, Finding{File: file, Line: i + 1, Field: fieldLike(key), Text: "OWNER is left over; write the owner of the repository", Harmless: true})
		}
	}
	return all
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9./-]*$`)

// fieldLike is the key of a line, if it looks like one.
func fieldLike(key string) string {
	if fieldName.MatchString(key) && !strings.Contains(key, "OWNER") {
		return key
	}
	return ""
}

// The forms of credentials that can be told from other text: private keys,
// tokens of service accounts and of AWS, GitHub and Vault.
var credential = regexp.MustCompile(`PRIVATE KEY-----|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bhvs\.[A-Za-z0-9_-]{20,}`)

// longBase64 is what a key or a token becomes in data: or caData.
var longBase64 = regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`)

// credentials reports credentials anywhere in a file, comments included. It
// does not quote them.
func credentials(file string, data []byte) Findings {
	var all Findings
	for i, line := range strings.Split(string(data), "\n") {
		found := credential.MatchString(line)
		for _, encoded := range longBase64.FindAllString(line, -1) {
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			found = found || err == nil && credential.Match(decoded)
		}
		if found {
			key, _, _ := strings.Cut(strings.TrimLeft(line, " -#"), ":")
			all = append(all, Finding{File: file, Line: i + 1, Field: fieldLike(key), Text: "looks like a credential; remove it, and replace it where it is used: the history keeps it", Harmless: true})
		}
	}
	return all
}
