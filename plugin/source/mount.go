package source

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// Mount shows tree as the directory prefix of a larger repository of which
// nothing else was sent: names keep the form they have in that repository.
// Names outside of prefix do not exist. "." and "" change nothing.
func Mount(tree Tree, prefix string) Tree {
	if prefix = path.Clean("./" + prefix); prefix == "." {
		return tree
	}
	return mounted{tree: tree, prefix: prefix}
}

type mounted struct {
	tree   Tree
	prefix string
}

// inside translates name; an empty result is a directory above prefix.
func (m mounted) inside(op, name string) (string, error) {
	switch {
	case !fs.ValidPath(name):
		return "", newPathError(op, name, fs.ErrInvalid)
	case name == m.prefix:
		return ".", nil
	case strings.HasPrefix(name, m.prefix+"/"):
		return name[len(m.prefix)+1:], nil
	case name == "." || strings.HasPrefix(m.prefix, name+"/"):
		return "", nil
	}
	return "", newPathError(op, name, fs.ErrNotExist)
}

func (m mounted) Open(name string) (fs.File, error) {
	at, err := m.inside("open", name)
	if err != nil {
		return nil, err
	}
	if at == "" || at == "." {
		entries, err := m.ReadDir(name)
		return &memDir{info: above(name), rest: entries}, err
	}
	f, err := m.tree.Open(at)
	return f, m.outward(name, err)
}

func (m mounted) ReadFile(name string) ([]byte, error) {
	at, err := m.inside("open", name)
	if err != nil {
		return nil, err
	}
	if at == "" {
		at = "." // the tree's own refusal to read a directory
	}
	data, err := m.tree.ReadFile(at)
	return data, m.outward(name, err)
}

func (m mounted) ReadDir(name string) ([]fs.DirEntry, error) {
	at, err := m.inside("readdir", name)
	if err != nil {
		return nil, err
	}
	if at != "" {
		entries, err := m.tree.ReadDir(at)
		return entries, m.outward(name, err)
	}
	rest := m.prefix
	if name != "." {
		rest = strings.TrimPrefix(rest, name+"/")
	}
	next, _, _ := strings.Cut(rest, "/")
	return []fs.DirEntry{fs.FileInfoToDirEntry(above(next))}, nil
}

func (m mounted) Stat(name string) (fs.FileInfo, error) {
	at, err := m.inside("stat", name)
	if err != nil {
		return nil, err
	}
	if at == "" || at == "." {
		return above(name), nil
	}
	info, err := m.tree.Stat(at)
	return info, m.outward(name, err)
}

// outward gives an error of the tree the name that the caller knows.
func (m mounted) outward(name string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return newPathError(pe.Op, name, pe.Err)
	}
	return err
}

func above(name string) *node { return &node{name: path.Base(name), mode: fs.ModeDir | 0o555} }
