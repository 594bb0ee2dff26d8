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
	eachLine(data, func(number int, field, line string) {
		if owner.MatchString(line) {
			all = append(all, Finding{File: file, Line: number, Field: field, Text: "OWNER is left over; write the owner of the repository", Harmless: true})
		}
	})
	return all
}

var key = regexp.MustCompile(`^[ #-]*([A-Za-z][A-Za-z0-9./-]*):(\s|$)`)

// eachLine calls do with every line and the key at its beginning, or the one
// before it: of an item of a list, or of a text of several lines.
func eachLine(data []byte, do func(number int, field, line string)) {
	before := ""
	for i, line := range strings.Split(string(data), "\n") {
		field := before
		comment := strings.HasPrefix(strings.TrimSpace(line), "#")
		if match := key.FindStringSubmatch(line); match != nil {
			field = match[1]
		} else if comment {
			field = ""
		}
		do(i+1, field, line)
		if !comment {
			before = field
		}
	}
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
	eachLine(data, func(number int, field, line string) {
		found := credential.MatchString(line)
		for _, encoded := range longBase64.FindAllString(line, -1) {
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			found = found || err == nil && credential.Match(decoded)
		}
		if found {
			all = append(all, Finding{File: file, Line: number, Field: field, Text: "looks like a credential; remove it, and replace it where it is used: the history keeps it", Harmless: true})
		}
	})
	return all
}
