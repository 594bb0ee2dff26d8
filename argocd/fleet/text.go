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
			all = append(all, Finding{File: file, Line: i + 1, Field: keyOf(string(line)), Text: "OWNER is left over; write the owner of the repository", Harmless: true})
		}
	}
	return all
}

var key = regexp.MustCompile(`^[ #-]*([A-Za-z][A-Za-z0-9./-]*):(\s|$)`)

// keyOf is the key at the beginning of a line, if there is one.
func keyOf(line string) string {
	if match := key.FindStringSubmatch(line); match != nil && !owner.MatchString(match[1]) {
		return match[1]
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
			all = append(all, Finding{File: file, Line: i + 1, Field: keyOf(line), Text: "looks like a credential; remove it, and replace it where it is used: the history keeps it", Harmless: true})
		}
	}
	return all
}
