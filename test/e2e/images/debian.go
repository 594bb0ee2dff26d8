package images

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// debianRelease is the one that the base of all images has.
const debianRelease = "bookworm"

// debian is a small Debian with some packages.
type debian struct {
	packages []string
	// unused is removed: files of the packages, as patterns.
	unused []string
}

// Several images share the first. The other is only the database's: it is not small.
var (
	debianBase     = debian{packages: []string{"ca-certificates", "git", "gnupg", "openssh-client", "redis-server", "tini", "tzdata"}}
	debianPostgres = debian{
		packages: []string{"postgresql-" + PostgresVersion},
		// What compiles queries, which is off then.
		unused: []string{"usr/lib/*/libLLVM*", "usr/lib/postgresql/*/lib/bitcode", "usr/lib/postgresql/*/lib/llvm*"},
	}
)

// PostgresVersion is the one that the release of Debian has.
const PostgresVersion = "15"

// layer is that Debian.
func (d debian) layer(ctx context.Context) (v1.Layer, error) {
	file, err := d.file(ctx)
	if err != nil {
		return nil, err
	}
	return image.FromFile(file)
}

// file is the layer's file. Its key is the list of packages.
func (d debian) file(ctx context.Context) (string, error) {
	sum := sha256.Sum256([]byte(strings.Join(slices.Concat(d.packages, d.unused), " ")))
	return cached(fmt.Sprintf("debian-%s-%s.tar.gz", debianRelease, hex.EncodeToString(sum[:4])), func(file string) error {
		if os.Geteuid() != 0 {
			return errors.New("making a Debian needs root")
		}
		mirror, err := debianMirror()
		if err != nil {
			return err
		}
		root, err := programs.Scratch(filepath.Dir(file), "debian")
		if err != nil {
			return err
		}
		defer programs.RemoveScratch(root)
		env := append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		// What it mounts goes with it, also when it is killed: it must not be there when the folder is removed.
		if _, err := programs.Run(ctx, ".", env, "unshare", "--mount", "debootstrap", "--variant=minbase", "--include="+strings.Join(d.packages, ","), debianRelease, root, mirror); err != nil {
			return fmt.Errorf("making a Debian (package debootstrap): %w", err)
		}
		waste := []string{"var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info"}
		for _, pattern := range slices.Concat(waste, d.unused) {
			files, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := os.RemoveAll(f); err != nil {
					return err
				}
			}
		}
		_, err = image.Tree(root, file)
		return err
	})
}

// debianMirror is the address that apt of this machine uses.
func debianMirror() (string, error) {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	for _, name := range append([]string{"/etc/apt/sources.list"}, files...) {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		defer f.Close() //nolint:errcheck // opened for reading only
		for s := bufio.NewScanner(f); s.Scan(); {
			fields := strings.Fields(s.Text())
			for _, field := range fields {
				if (fields[0] == "deb" || fields[0] == "URIs:") && strings.HasPrefix(field, "http") && strings.HasSuffix(strings.TrimSuffix(field, "/"), "/debian") {
					return field, nil
				}
			}
		}
	}
	// The one that Debian itself uses by default.
	return "http://deb.debian.org/debian", nil
}
