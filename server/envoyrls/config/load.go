package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-project/sluice/internal/watch"
)

// Options say how the files of a directory are read. The zero Options work.
type Options struct {
	// Merge joins the descriptors of several files with one domain. By default the second such file is a fault.
	Merge bool
	// AllFiles reads every file, whatever its name. By default only those are read whose names end in .yaml or .yml.
	AllFiles bool
}

// File is the content of one file.
type File = watch.File

// Parse reads files that were read together. The error is [filesource.Faults]: all that is wrong with them.
func Parse(files []File, o Options) (*Config, error) {
	var found faults
	docs := make([]*document, len(files))
	for i, f := range files {
		docs[i] = parse(f.Name, f.Data, &found)
	}
	c := build(docs, o.Merge, &found)
	if err := found.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Load reads the files of a directory and of those in it, in the order of their names, but none that begins with a dot.
// The error is [filesource.Faults], or that of reading.
func Load(dir string, o Options) (*Config, error) {
	files, err := read(dir, o)
	if err != nil {
		return nil, err
	}
	return Parse(files, o)
}

// maxFiles is how many files a directory may have.
const maxFiles = 10_000

// read returns the files of a directory. A symbolic link to a file is read, as those of a Kubernetes ConfigMap are, and so
// is the directory itself where it is one; a link to another directory is not followed.
func read(dir string, o Options) (files []File, err error) {
	root, err := filepath.EvalSymlinks(dir) // read as a whole from where it points now
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, errors.Join(err, fmt.Errorf("%s: it must be a directory of rate limit files", dir))
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !o.AllFiles && filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml" {
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return err
		}
		if len(files) == maxFiles {
			return fmt.Errorf("%s: it has more than %d files", dir, maxFiles)
		}
		data, err := os.ReadFile(path)
		inside, _ := filepath.Rel(root, path) // both are there
		files = append(files, File{Name: filepath.Join(dir, inside), Data: data})
		return err
	})
	return files, err
}
