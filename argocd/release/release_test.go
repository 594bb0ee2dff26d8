package release_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/release"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func read(t *testing.T, environment, tag, digest string) *release.File {
	t.Helper()
	f, err := release.Read(environment, environment+".yaml", []byte("image:\n  tag: \""+tag+"\"\n  digest: \""+digest+"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestT27Golden: files that people have touched get another tag and digest,
// and are the same in every other byte.
func TestT27Golden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.before.yaml")
	if err != nil || len(names) < 4 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		before, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to, err := release.Read("staging", name, before)
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := release.Promote(read(t, "dev", "1.10.0", digestB), to)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := to.Set(p.New)
		if err != nil {
			t.Error(err)
			continue
		}
		golden := strings.Replace(name, ".before.", ".after.", 1)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %v\n%q\nwant\n%q", name, err, got, want)
		}
		changed := 0
		was, is := strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(got), "\n")
		if len(was) != len(is) {
			t.Fatalf("%s: %d lines became %d", name, len(was), len(is))
		}
		for i := range was {
			if was[i] == is[i] {
				continue
			}
			changed++
			back := strings.NewReplacer(p.New.Tag, p.Old.Tag, p.New.Digest, p.Old.Digest).Replace(is[i])
			if back != was[i] {
				t.Errorf("%s: more changed than a text:\n%q\n%q", name, was[i], is[i])
			}
		}
		if changed == 0 || changed > 2 {
			t.Errorf("%s: %d lines changed", name, changed)
		}
	}
}

// TestT27Refused: what must not go to the next stage, and why.
func TestT27Refused(t *testing.T) {
	for name, c := range map[string]struct {
		from, to release.Image
		want     []string
	}{
		"downgrade":           {release.Image{Tag: "1.9.0", Digest: digestB}, release.Image{Tag: "1.10.0", Digest: digestA}, []string{"dev.yaml:2: image.tag: 1.9.0 is older than 1.10.0 in staging; to go back, revert the commit in staging"}},
		"candidate":           {release.Image{Tag: "v2.0.0-rc.1", Digest: digestB}, release.Image{Tag: "2.0.0", Digest: digestA}, []string{"is older than"}},
		"latest":              {release.Image{Tag: "latest", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"dev.yaml:2: image.tag: latest may move to another image; expected a version"}},
		"branch":              {release.Image{Tag: "main", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"main may move"}},
		"two numbers":         {release.Image{Tag: "1.10", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"1.10 may move"}},
		"snapshot":            {release.Image{Tag: "1.1.0-SNAPSHOT", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"may move"}},
		"no digest":           {release.Image{Tag: "1.1.0"}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"dev.yaml:3: image.digest: is empty; write it with core-pipeline image set --env dev --tag 1.1.0 --digest DIGEST"}},
		"short digest":        {release.Image{Tag: "1.1.0", Digest: "sha256:abc"}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"dev.yaml:3: image.digest: digest \"sha256:abc\": expected"}},
		"no tag":              {release.Image{Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"image.tag: tag \"\": expected"}},
		"moved":               {release.Image{Tag: "1.0.0", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"image.digest: the tag 1.0.0 names another image in staging"}},
		"everything together": {release.Image{Tag: "latest"}, release.Image{Tag: "1.0.0", Digest: digestA}, []string{"latest may move", "image.digest: is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := release.Promote(read(t, "dev", c.from.Tag, c.from.Digest), read(t, "staging", c.to.Tag, c.to.Digest))
			if err == nil {
				t.Fatal("promoted")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Errorf("%d problems: %v", len(lines), err)
			}
			for i, want := range c.want {
				if i < len(lines) && (!strings.Contains(lines[i], want) || len(lines[i]) > 300) {
					t.Errorf("got  %s\nwant %s", lines[i], want)
				}
			}
		})
	}
}

func TestPromotes(t *testing.T) {
	for _, c := range []struct{ from, to release.Image }{
		{release.Image{Tag: "1.10.0", Digest: digestB}, release.Image{Tag: "1.9.0", Digest: digestA}},
		{release.Image{Tag: "v2.0.0", Digest: digestB}, release.Image{Tag: "2.0.0-rc.1", Digest: digestA}},
		{release.Image{Tag: "main-1a2b3c4", Digest: digestB}, release.Image{Tag: "main-4c3b2a1", Digest: digestA}},
		{release.Image{Tag: "1234567", Digest: digestB}, release.Image{Tag: "1.0.0", Digest: digestA}},
		{release.Image{Tag: "1.0.0", Digest: digestB}, release.Image{Tag: "1.0.0"}},
		{release.Image{Tag: "1.0.0", Digest: digestB}, release.Image{Tag: "latest", Digest: digestA}},
	} {
		p, err := release.Promote(read(t, "dev", c.from.Tag, c.from.Digest), read(t, "staging", c.to.Tag, c.to.Digest))
		if err != nil || !p.Changed() || p.New != c.from || p.Old != c.to {
			t.Errorf("%v: %v, %v", c, p, err)
		}
	}
	// What is there already changes nothing, whatever it is.
	p, err := release.Promote(read(t, "dev", "latest", ""), read(t, "staging", "latest", ""))
	if err != nil || p.Changed() {
		t.Errorf("%v, %v", p, err)
	}
}

func TestFixed(t *testing.T) {
	for tag, want := range map[string]bool{
		"1.4.0": true, "v1.4.0": true, "1.4.0-rc.1": true, "1.4.0-1a2b3c4": true, "1a2b3c4": true, "sha-1a2b3c4d5e": true, "v1.2.3-4-g1a2b3c4": true,
		"20261125093000": true, "feature_x-1a2b3c4": true,
		"latest": false, "stable": false, "main": false, "dev": false, "": false, "1": false, "1.4": false, "v1": false, "1.4.0-SNAPSHOT": false,
		"1.4.0-alpine": false, "feature-1": false, "deadbee-f": false, "01.4.0": false, "1.4.0.2": false, "pr-123": false, "2026-11-25": false,
	} {
		if got := (release.Image{Tag: tag}).Fixed(); got != want {
			t.Errorf("%s: %v", tag, got)
		}
	}
}

// TestCheck: nothing that a shell or YAML would take for more than a text.
func TestCheck(t *testing.T) {
	for _, tag := range []string{"", "-1", ".1", "a b", "a\nb", "a:b", "a#b", "$(id)", "`id`", "a;b", "a&b", "a|b", "a\"b", "a'b", "a\\b", "a/b", "a@b", "é", "a\x00", "{a", "[a", "*a", "!a", "%a", "a+b", "a\n", strings.Repeat("a", 129)} {
		if err := (release.Image{Tag: tag}).Check(); err == nil {
			t.Errorf("tag %q", tag)
		} else if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 300 {
			t.Errorf("%q", err)
		}
	}
	for _, digest := range []string{"sha256", "sha256:", digestA[1:], digestA + "a", strings.ToUpper(digestA), "md5:" + digestA[7:], "sha256:" + strings.Repeat("g", 64), digestA + "\n", " " + digestA} {
		if err := (release.Image{Tag: "a", Digest: digest}).Check(); err == nil {
			t.Errorf("digest %q", digest)
		}
	}
	for _, i := range []release.Image{{Tag: "a"}, {Tag: "_"}, {Tag: "1.10"}, {Tag: strings.Repeat("a", 128), Digest: digestA}} {
		if err := i.Check(); err != nil {
			t.Error(err)
		}
	}
	err := release.Image{Tag: "a b", Digest: "x"}.Check()
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("both at once: %v", err)
	}
}

func TestT27Steps(t *testing.T) {
	stages := release.DefaultStages()
	for way, want := range map[[2]string]string{
		{"dev", "staging"}:  "",
		{"staging", "prod"}: "",
		{"dev", "prod"}:     "from dev to prod skips staging: promote from staging to prod",
		{"prod", "dev"}:     "dev comes before prod: to go back, revert the commit",
		{"dev", "dev"}:      "from dev to itself",
		{"qa", "prod"}:      `"qa" is not one of the stages dev, staging, prod`,
		{"dev", "../prod"}:  `"../prod" is not one of the stages`,
	} {
		err := stages.Step(way[0], way[1])
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", way, err)
		}
	}
	for _, bad := range []release.Stages{nil, {"dev"}, {"dev", "dev"}, {"dev", ""}} {
		if bad.Check() == nil {
			t.Errorf("%v", bad)
		}
	}
	if err := stages.Check(); err != nil {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"image:\n  tag: \"1\"\n":             "f.yaml:2: image.digest: is missing",
		"image:\n  tag: 1.10\n  digest: 0\n": "f.yaml:2: image.tag: is not a text for Kubernetes; put it in quotes\nf.yaml:3: image.digest: is not",
		"a: b\n":                             "f.yaml:1: image: is missing",
		"{":                                  "is not YAML",
	} {
		if _, err := release.Read("dev", "f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
