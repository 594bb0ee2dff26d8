package release

import (
	"errors"

	"github.com/core-pipeline/core-pipeline-cmp/internal/yamledit"
)

// FileName is how the file of an environment's directory is called.
const FileName = "release.yaml"

var (
	tagPath    = []string{"image", "tag"}
	digestPath = []string{"image", "digest"}
)

// File is a release as it is written down.
type File struct {
	// Environment and Name say whose it is and where, for messages.
	Environment, Name string
	Image             Image

	doc *yamledit.Document
}

// Read reads a file in the form of this project: image.tag and image.digest,
// both texts and the digest possibly empty. Other keys are not looked at.
func Read(environment, name string, text []byte) (*File, error) {
	doc, err := yamledit.Parse(name, text)
	if err != nil {
		return nil, err
	}
	tag, err := doc.String(tagPath...)
	digest, also := doc.String(digestPath...)
	if err := errors.Join(err, also); err != nil {
		return nil, err
	}
	return &File{Environment: environment, Name: name, Image: Image{Tag: tag, Digest: digest}, doc: doc}, nil
}

// Set returns the file with another image: the same bytes but for the tag and
// the digest, which keep their quotes or get them.
func (f *File) Set(i Image) ([]byte, error) {
	if err := i.Check(); err != nil {
		return nil, err
	}
	return f.doc.Set(yamledit.Edit{Path: tagPath, Value: i.Tag}, yamledit.Edit{Path: digestPath, Value: i.Digest})
}
