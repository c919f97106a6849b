package main

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeArchive writes the layout with the index in it as one tar file, its members
// in the order of their names.
func writeArchive(path string, index v1.ImageIndex, name string, created time.Time) error {
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	where, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The one name is docker's and podman's, the other containerd's.
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name})
	if err := where.AppendIndex(index, named); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := tarDirectory(file, dir, created); err != nil {
		return err
	}
	return file.Close()
}

func tarDirectory(file *os.File, dir string, created time.Time) error {
	w := tar.NewWriter(file)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: created})
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return writeFile(w, name, 0o644, content, created)
	})
	if err != nil {
		return err
	}
	return w.Close()
}
