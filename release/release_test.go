package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"sigs.k8s.io/yaml"
)

// configuration is the part of .goreleaser.yaml that the tests know. Reading
// it strictly would take all of goreleaser; `goreleaser check` does that.
type configuration struct {
	Builds []struct {
		ID, Main, Binary    string
		Env, Flags, Ldflags []string
		Goos, Goarch        []string
		ModTimestamp        string `json:"mod_timestamp"`
	}
	SBOMs []struct{ Args []string } `json:"sboms"`
}

func configured(t *testing.T) configuration {
	t.Helper()
	data, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c configuration
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

const version = "0.1.0-test"

func command(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// clone makes a folder with the commit at HEAD, as a release builds from.
func clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	command(t, "..", "git", "clone", "-q", "--no-local", ".", dir)
	return dir
}

// others are the platforms beside Linux that are built here, too: those that
// `make cross` compiles for.
var others = []string{"darwin/arm64", "windows/amd64"}

// build does what goreleaser does for Linux and others: the same calls of go,
// and the file that says what was made.
func build(t *testing.T, dir string, ids ...string) {
	t.Helper()
	var list []artifact
	for _, b := range configured(t).Builds {
		if !slices.Contains(ids, b.ID) {
			continue
		}
		for _, goos := range b.Goos {
			for _, arch := range b.Goarch {
				if goos != "linux" && !slices.Contains(others, goos+"/"+arch) {
					continue
				}
				at := filepath.Join("dist", b.Binary+"_"+goos+"_"+arch, b.Binary)
				args := append([]string{"build"}, b.Flags...)
				args = append(args, "-ldflags="+strings.ReplaceAll(strings.Join(b.Ldflags, " "), "{{ .Version }}", version), "-o", at, b.Main)
				cmd := exec.CommandContext(t.Context(), "go", args...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), append(b.Env, "GOFLAGS=", "GOOS="+goos, "GOARCH="+arch)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				list = append(list, artifact{Name: b.Binary, Path: filepath.ToSlash(at), Type: "Binary", Goos: goos, Goarch: arch})
			}
		}
	}
	data, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "dist/artifacts.json"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a artifact) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": a.Name, "path": a.Path, "type": a.Type, "goos": a.Goos, "goarch": a.Goarch})
}

// digests of all files below dir.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(at)
		sum := sha256.Sum256(data)
		out[strings.TrimPrefix(at, dir)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testImage(dir string) image {
	return image{Dist: filepath.Join(dir, "dist"), Plugin: filepath.Join(dir, "plugin/plugin.yaml"), Version: "v" + version, Revision: "abc", Created: time.Unix(1700000000, 0).UTC()}
}

// TestRelease builds twice in two folders, and takes the image through a
// registry to a running program.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds twelve programs")
	}
	one, two := clone(t), clone(t)
	var images [2]string
	for i, dir := range []string{one, two} {
		build(t, dir, "core-pipeline", "core-pipeline-cmp")
		var out bytes.Buffer
		if err := writeImage(filepath.Join(dir, "dist/image"), testImage(dir), &out); err != nil {
			t.Fatal(err)
		}
		images[i] = strings.TrimSpace(out.String())
	}
	if diff := cmp.Diff(digests(t, filepath.Join(one, "dist")), digests(t, filepath.Join(two, "dist"))); diff != "" {
		t.Errorf("two builds of one commit differ:\n%s", diff)
	}
	if images[0] == "" || images[0] != images[1] {
		t.Errorf("the images are %v", images)
	}
	t.Run("registry", func(t *testing.T) { throughRegistry(t, one, images[0]) })
	t.Run("sbom", func(t *testing.T) { checkSBOM(t, one) })
}

func throughRegistry(t *testing.T, dir, digest string) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	repo := strings.TrimPrefix(server.URL, "http://") + "/owner/core-pipeline-cmp"
	var out bytes.Buffer
	if err := run(t.Context(), []string{"push", "--layout", filepath.Join(dir, "dist/image"), "--to", repo + ":v" + version}, &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), repo+"@"+digest+"\n"; got != want {
		t.Errorf("push prints %q, want %q", got, want)
	}
	ref, err := name.NewDigest(repo + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	for _, arch := range architectures {
		img, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		config, err := img.ConfigFile()
		if err != nil || config.Architecture != arch || config.Config.Labels["org.opencontainers.image.version"] != "v"+version {
			t.Errorf("%s: %v %+v", arch, err, config)
		}
	}
	img, err := remote.Image(ref) // of this machine's architecture or amd64
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "program")
	extract(t, img, at)
	if got := command(t, ".", at, "version"); !strings.HasPrefix(got, "core-pipeline-cmp v"+version+"\n") || strings.Contains(got, "commit     unknown") || strings.Contains(got, "modified") {
		t.Errorf("the program from the image says:\n%s", got)
	}
}

func extract(t *testing.T, img v1.Image, to string) {
	t.Helper()
	tarball := filepath.Join(t.TempDir(), "root.tar")
	f, err := os.Create(tarball)
	if err != nil {
		t.Fatal(err)
	}
	r := mutate.Extract(img)
	_, err = f.ReadFrom(r)
	for _, err := range []error{err, r.Close(), f.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := command(t, ".", "tar", "--numeric-owner", "-tvf", tarball)
	for _, want := range []string{`drwxrwxrwt 0/0 .* tmp`, `-rwxr-xr-x 0/0 .* usr/local/bin/core-pipeline-cmp`, `-rw-r--r-- 0/0 .* home/argocd/cmp-server/config/plugin.yaml`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(got) {
			t.Errorf("the image has no %s:\n%s", want, got)
		}
	}
	if lines := strings.Count(got, "\n"); lines != 10 {
		t.Errorf("the image has %d files:\n%s", lines, got)
	}
	program := command(t, ".", "tar", "-xOf", tarball, binaryPath)
	if err := os.WriteFile(to, []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
}

// program is the path in the variable; RELEASE_REQUIRED makes it a must.
func program(t *testing.T, variable string) string {
	t.Helper()
	at := os.Getenv(variable)
	if at == "" {
		if os.Getenv("RELEASE_REQUIRED") != "" {
			t.Fatalf("RELEASE_REQUIRED is set and %s is not", variable)
		}
		t.Skipf("%s names the program", variable)
	}
	return at
}

// TestDockerfile holds the image to the Dockerfile: both are the same thing.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{
		"\nUSER " + user + "\n", "\nENV " + environment + "\n", `ENTRYPOINT ["/` + binaryPath + `"]`,
		`image.title="` + title + `"`, `image.description="` + description + `"`, `image.source="` + source + `"`,
		"install -D -m 0755 /out/core-pipeline-cmp /rootfs/" + binaryPath, "install -D -m 0644 plugin/plugin.yaml /rootfs/" + pluginPath, "install -d -m 1777 /rootfs/tmp\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	if n := strings.Count(text, "/rootfs/"); n != 4 {
		t.Errorf("the Dockerfile names /rootfs/ %d times; the image has 3 files", n)
	}
	if n := len(regexp.MustCompile(`org\.opencontainers\.image\.\w+=`).FindAllString(text, -1)); n != len((image{}).labels()) {
		t.Errorf("the Dockerfile has %d labels, the image %d", n, len((image{}).labels()))
	}
	for _, b := range configured(t).Builds {
		if !strings.Contains(text, "go build -trimpath -ldflags=\""+strings.ReplaceAll(b.Ldflags[0], "v{{ .Version }}", "${VERSION}")+"\"") || !slices.Contains(b.Flags, "-trimpath") || !strings.HasPrefix(b.Ldflags[0], "-s -w ") || !slices.Equal(b.Env, []string{"CGO_ENABLED=0"}) {
			t.Errorf("%s is built otherwise than in the Dockerfile", b.ID)
		}
	}
}

// TestPlatforms: what the project promises to build.
func TestPlatforms(t *testing.T) {
	got := map[string][]string{}
	for _, b := range configured(t).Builds {
		for _, system := range b.Goos {
			for _, arch := range b.Goarch {
				got[b.ID] = append(got[b.ID], system+"/"+arch)
			}
		}
		if b.ModTimestamp == "" {
			t.Errorf("%s has the time of its build in it", b.ID)
		}
	}
	want := map[string][]string{
		"core-pipeline":     {"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"},
		"core-pipeline-cmp": {"linux/amd64", "linux/arm64"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	valid := []string{"--version", "v1", "--revision", "a", "--created", "2026-01-01T00:00:00Z"}
	for want, args := range map[string][]string{
		"usage:":                          {},
		`unknown command "x"`:             {"x"},
		"a flag is missing":               {"image", "--out", dir + "/o"},
		"flag provided but not defined":   {"image", "--x"},
		"unexpected argument":             append([]string{"image", "--out", dir + "/o"}, append(valid, "y")...),
		"reading what was built":          append([]string{"image", "--out", dir + "/o", "--dist", dir}, valid...),
		"exists; remove it first":         append([]string{"image", "--out", dir, "--dist", dir}, valid...),
		"--created":                       {"image", "--out", dir + "/o", "--version", "v1", "--revision", "a", "--created", "now"},
		"--to":                            {"push", "--layout", dir, "--to", "not a name"},
		"reading the layout":              {"push", "--layout", dir, "--to", "localhost:1/a:b"},
		"reading the changelog":           {"notes", "--version", "v1", "--changelog", dir + "/c"},
		"the changelog has nothing about": {"notes", "--version", "v999.0.0", "--changelog", "../CHANGELOG.md"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%v: %v, %q; want %q", args, err, &out, want)
		}
	}
	if _, err := os.Stat(dir + "/o"); err == nil {
		t.Error("something was written")
	}
	if slices.Collect(maps.Keys(digests(t, dir))) != nil {
		t.Error("the directory is not as it was")
	}
}

func TestNotes(t *testing.T) {
	const changelog = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.1.0] - 2026-01-02\n\n### Added\n\n- b [x]\n\n## 1.0.0\n\n- a\n\n[1.1.0]: https://example.com\n"
	for version, want := range map[string]string{"v1.1.0": "### Added\n\n- b [x]\n", "1.0.0": "- a\n"} {
		if got, err := notes(changelog, version); err != nil || got != want {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	for _, version := range []string{"1.1", "", "2.0.0"} {
		if got, err := notes(changelog, version); err == nil {
			t.Errorf("%s: %q", version, got)
		}
	}
}
