package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// making has a lock for each file that is being made.
var making sync.Map

// cached is a file of the user's cache that the first call makes. build makes it under the name it is given, at once
// or by renaming. Another call waits for it: made twice, a file could be replaced by one that is not the same while a
// layer is read from it.
func cached(name string, build func(file string) error) (string, error) {
	lock, _ := making.LoadOrStore(name, &sync.Mutex{})
	mutex := lock.(*sync.Mutex)
	mutex.Lock()
	defer mutex.Unlock()
	cache, err := programs.Cache()
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, "images", name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	if err := build(file); err != nil {
		return "", fmt.Errorf("making %s: %w", name, err)
	}
	return file, nil
}

// Program is a layer of files, one of which is a program. Of a program that stays in the user's cache it stays there,
// too, for as long as the program is the same; one that each run builds is in no other's way.
func Program(program string, files ...image.File) (v1.Layer, error) {
	cache, err := programs.Cache()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(program, cache+string(filepath.Separator)) {
		return image.Files(files...)
	}
	info, err := os.Stat(program)
	if err != nil {
		return nil, err
	}
	of := []string{program, fmt.Sprint(info.Size()), info.ModTime().UTC().String()}
	for _, f := range files {
		of = append(of, f.Path, f.Source, f.Content, f.Link, f.Mode.String())
	}
	sum := sha256.Sum256([]byte(strings.Join(of, " ")))
	file, err := cached(fmt.Sprintf("program-%s-%s.tar.gz", filepath.Base(program), hex.EncodeToString(sum[:4])), func(file string) error {
		_, err := image.FilesTo(file, files...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return image.FromFile(file)
}
