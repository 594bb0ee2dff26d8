package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// part is a few files and folders of a Debian, with the libraries that its programs and single libraries load, and
// nothing else. Every node unpacks it: the whole has thousands of files.
type part struct {
	of    debian
	files []string // from the root; a folder ends with a slash
}

const libraryDir = "/usr/lib/x86_64-linux-gnu/"

var (
	// debianPart is what Redis and Node.js need: the latter brings its program.
	debianPart = part{of: debianBase, files: []string{
		"/usr/bin/redis-server",
		libraryDir + "libdl.so.2", libraryDir + "libpthread.so.0", libraryDir + "libstdc++.so.6",
		"/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt",
	}}
	// postgresPart is what StartPostgres needs.
	postgresPart = part{of: debianPostgres, files: []string{
		"/usr/bin/sh", "/usr/bin/rm", "/usr/bin/mv", PostgresBin + "/initdb", PostgresBin + "/postgres",
		"/usr/lib/postgresql/" + PostgresVersion + "/lib/", "/usr/share/postgresql/" + PostgresVersion + "/", "/usr/lib/locale/C.utf8/",
		"/etc/nsswitch.conf",
	}}
)

// key is another where the layer is another.
func (p part) key() string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Concat(p.of.packages, p.of.unused, p.files), " ")))
	return hex.EncodeToString(sum[:4])
}

// layer is that part, taken from the layer of the whole.
func (p part) layer(ctx context.Context) (v1.Layer, error) {
	whole, err := p.of.file(ctx)
	if err != nil {
		return nil, err
	}
	file, err := cached(fmt.Sprintf("debian-%s-part-%s.tar.gz", debianRelease, p.key()), func(file string) error {
		scratch, err := programs.Scratch(filepath.Dir(file), "debian")
		if err != nil {
			return err
		}
		defer programs.RemoveScratch(scratch)
		root, kept := filepath.Join(scratch, "whole"), filepath.Join(scratch, "part")
		for _, dir := range []string{root, filepath.Join(kept, "usr")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		if _, err := programs.Run(ctx, ".", os.Environ(), "tar", "--numeric-owner", "-xpzf", whole, "-C", root); err != nil {
			return err
		}
		// As in the whole: what a program says it needs is below /lib.
		for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
			if err := os.Symlink("usr/"+name, filepath.Join(kept, name)); err != nil {
				return err
			}
		}
		files := slices.Clone(p.files)
		for _, f := range p.files {
			if strings.HasSuffix(f, "/") || !strings.Contains(f, "/lib/") && !strings.Contains(f, "/bin/") {
				continue
			}
			needed, err := libraries(ctx, root, f)
			if err != nil {
				return err
			}
			files = append(files, needed...)
		}
		slices.Sort(files)
		for _, f := range slices.Compact(files) {
			if strings.HasSuffix(f, "/") {
				if err := os.CopyFS(filepath.Join(kept, f), os.DirFS(filepath.Join(root, f))); err != nil {
					return err
				}
				continue
			}
			if err := copyResolved(ctx, root, f, kept); err != nil {
				return err
			}
		}
		_, err = image.Tree(kept, file)
		return err
	})
	if err != nil {
		return nil, err
	}
	return image.FromFile(file)
}

// libraries are the files that a program or library below root loads, by the dynamic linker that is there.
func libraries(ctx context.Context, root, file string) ([]string, error) {
	out, err := programs.Run(ctx, ".", os.Environ(), "chroot", root, "/usr/bin/ldd", file)
	if err != nil {
		return nil, err
	}
	var all []string
	for field := range strings.FieldsSeq(out) {
		if path.IsAbs(field) {
			all = append(all, field)
		}
	}
	return all, nil
}

// copyResolved copies a file, not the links that lead to it, to the same path below another root.
func copyResolved(ctx context.Context, root, file, to string) error {
	// By a program that sees root as the root: links of the whole may be absolute.
	out, err := programs.Run(ctx, ".", os.Environ(), "chroot", root, "/usr/bin/readlink", "-e", file)
	if err != nil {
		return err
	}
	from := filepath.Join(root, trim(out))
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	for _, merged := range []string{"/lib/", "/lib64/", "/bin/", "/sbin/"} {
		if strings.HasPrefix(file, merged) {
			file = "/usr" + file
			break
		}
	}
	target := filepath.Join(to, file)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, data, info.Mode().Perm())
}
