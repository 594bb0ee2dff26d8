package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// publishing is the script of the workflow that pushes the chart.
func publishing(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(data), "      - name: Push the chart\n        id: chart\n        run: |\n")
	if !found {
		t.Fatal("the workflow has no such step")
	}
	script, _, _ := strings.Cut(rest, "\n      - ")
	if !strings.Contains(script, "ghcr.io/") {
		t.Fatalf("the step pushes nowhere:\n%s", script)
	}
	return script
}

// TestPublishChart runs the workflow's step that pushes the chart: a version
// is pushed once, and not again with other files, whatever the registry says.
func TestPublishChart(t *testing.T) {
	for _, variable := range []string{"HELM3", "HELM4"} {
		t.Run(variable, func(t *testing.T) {
			helm := program(t, variable)
			var failing atomic.Bool
			handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// Once: what comes after the question would go through.
				if strings.Contains(r.URL.Path, "/manifests/") && failing.Swap(false) {
					http.Error(w, `{"errors":[{"code":"DENIED","message":"denied"}]}`, http.StatusForbidden)
					return
				}
				handler.ServeHTTP(w, r)
			}))
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			script := strings.ReplaceAll(publishing(t), "ghcr.io/", host+"/")
			dir, bin := t.TempDir(), t.TempDir()
			signed := filepath.Join(bin, "signed")
			for name, text := range map[string]string{
				// On loopback, without TLS.
				"helm":   "exec " + helm + " \"$@\" --plain-http",
				"make":   "echo " + filepath.Join(bin, "helm"),
				"cosign": "echo \"$*\" >> " + signed,
			} {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			run := func() (out, result string, err error) {
				temp := t.TempDir()
				cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+temp, "OWNER=Owner", "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+filepath.Join(temp, "output"))
				text, err := cmd.CombinedOutput()
				data, readErr := os.ReadFile(filepath.Join(temp, "output"))
				if readErr != nil && !os.IsNotExist(readErr) {
					t.Fatal(readErr)
				}
				return string(text), string(data), err
			}
			pack := func(file, change string) {
				chart := filepath.Join(t.TempDir(), "core-pipeline")
				if err := os.CopyFS(chart, os.DirFS("../charts/core-pipeline")); err != nil {
					t.Fatal(err)
				}
				if file != "" {
					if err := os.WriteFile(filepath.Join(chart, file), []byte(change), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				command(t, "..", helm, "package", chart, "--destination", filepath.Join(dir, "dist"))
			}
			signatures := func() int {
				data, err := os.ReadFile(signed)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				return strings.Count(string(data), "sign --yes "+host+"/owner/charts/core-pipeline@sha256:")
			}

			pack("", "")
			failing.Store(true)
			if out, result, err := run(); err == nil || result != "" || signatures() != 0 {
				t.Errorf("a registry that does not answer is taken for an empty one: %v\n%s", err, out)
			}
			if failing.Load() {
				t.Fatal("the registry was not asked")
			}
			out, result, err := run()
			if err != nil || signatures() != 1 || !regexp.MustCompile(`^chart=`+host+`/owner/charts/core-pipeline@sha256:[0-9a-f]{64}\n$`).MatchString(result) {
				t.Fatalf("%v, %q\n%s", err, result, out)
			}
			// The same files, packaged again, and another document.
			for _, file := range []string{"", "README.md"} {
				pack(file, "other")
				if out, result, err := run(); err != nil || result != "" || signatures() != 1 || !strings.Contains(out, "is published already") {
					t.Errorf("%q: %v, %q\n%s", file, err, result, out)
				}
			}
			pack("templates/_more.tpl", "{{/* other */}}")
			if out, result, err := run(); err == nil || result != "" || signatures() != 1 || !strings.Contains(out, "is published with other files") {
				t.Errorf("other files under a published version: %v, %q\n%s", err, result, out)
			}
			if tags := tagsOf(t, server.URL); len(tags) != 1 {
				t.Errorf("the registry has %v", tags)
			}
		})
	}
}

// tagsOf lists the versions of the chart.
func tagsOf(t *testing.T, url string) []string {
	t.Helper()
	r, err := http.Get(url + "/v2/owner/charts/core-pipeline/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`"[0-9.]+"`).FindAllString(string(data), -1)
}
