package fleet

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Paths are the directories of a fleet, relative to the tree. ApplicationSets
// and Projects may be one directory, such as what kustomize has built: then it
// may hold Applications, too, which are left out.
type Paths struct {
	Clusters, ApplicationSets, Projects string
}

// DefaultPaths are those of this repository.
func DefaultPaths() Paths {
	return Paths{Clusters: "argocd/clusters", ApplicationSets: "argocd/applicationsets", Projects: "argocd/projects"}
}

// Fleet is what the files of a repository say. Its zero value is an empty
// fleet.
type Fleet struct {
	paths    Paths
	tree     fs.FS
	clusters []*Cluster
	sets     []*setFile
	projects []*projectFile
}

type setFile struct {
	applicationSet
	doc *document
}

type projectFile struct {
	appProject
	doc *document
}

// Load reads the fleet at paths of tree. What cannot be read as an object of
// its kind is a finding, and not part of the fleet.
func Load(tree fs.FS, paths Paths) (*Fleet, Findings) {
	f := &Fleet{paths: paths, tree: tree}
	all := f.loadClusters()
	all = append(all, load(tree, paths.ApplicationSets, setKind, paths.others(projectKind), func(d *document) {
		s := &setFile{doc: d}
		d.decode(&s.applicationSet)
		f.sets = append(f.sets, s)
	})...)
	all = append(all, load(tree, paths.Projects, projectKind, paths.others(setKind), func(d *document) {
		p := &projectFile{doc: d}
		d.decode(&p.appProject)
		f.projects = append(f.projects, p)
	})...)
	return f, all.sorted()
}

var (
	setKind         = header{"argoproj.io/v1alpha1", "ApplicationSet"}
	projectKind     = header{"argoproj.io/v1alpha1", "AppProject"}
	applicationKind = header{"argoproj.io/v1alpha1", "Application"}
)

// others are the kinds that may lie beside those that are read.
func (p Paths) others(other header) []header {
	if p.ApplicationSets != p.Projects {
		return nil
	}
	return []header{other, applicationKind}
}

// load reads all objects of one kind in dir, and passes over the others.
func load(tree fs.FS, dir string, kind header, others []header, decode func(*document)) Findings {
	var all Findings
	found := false
	err := eachFile(tree, dir, func(file string, data []byte) {
		docs, failed := parse(file, data)
		all = append(all, failed...)
		all = append(all, leftOver(file, data)...)
		for _, d := range docs {
			if slices.Contains(others, d.header()) {
				continue
			}
			if _, ok := d.expect(kind); ok {
				decode(d)
			}
			found = true
			all = append(all, d.findings...)
		}
		found = found || len(failed) > 0
	}, &all)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		all = append(all, Finding{File: dir, Text: "no such directory; it must hold the " + kind.Kind + "s"})
	case err != nil:
		all = append(all, Finding{File: dir, Text: "cannot be read"})
	case !found:
		all = append(all, Finding{File: dir, Text: "there is no " + kind.Kind + " here"})
	}
	return all
}

func (f *Fleet) loadClusters() Findings {
	var all Findings
	err := eachFile(f.tree, f.paths.Clusters, func(file string, data []byte) {
		c, found := readCluster(file, data)
		if c != nil {
			f.clusters = append(f.clusters, c)
		}
		all = append(all, found...)
	}, &all)
	// A fleet without clusters is one that begins.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = append(all, Finding{File: f.paths.Clusters, Text: "cannot be read"})
	}
	return all
}

// eachFile calls do for every YAML file in dir, and reports what looks like
// one and is not read by Argo CD.
func eachFile(tree fs.FS, dir string, do func(file string, data []byte), findings *Findings) error {
	entries, err := fs.ReadDir(tree, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			*findings = append(*findings, Finding{File: file, Text: "nothing reads directories here; move the files up"})
			continue
		case strings.HasSuffix(e.Name(), ".yml"), strings.HasSuffix(e.Name(), ".json"):
			*findings = append(*findings, Finding{File: file, Text: "nothing reads this file; name it .yaml"})
			continue
		case !strings.HasSuffix(e.Name(), ".yaml"), e.Name() == "kustomization.yaml":
			continue
		}
		data, err := fs.ReadFile(tree, file)
		if err != nil {
			*findings = append(*findings, Finding{File: file, Text: "cannot be read: " + reason(err)})
			continue
		}
		do(file, data)
	}
	return nil
}

// reason drops the path that the system or the tree puts into an error.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
