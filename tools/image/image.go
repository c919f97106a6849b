package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// description is what the image says about itself.
type description struct {
	name, version, revision string
	created                 time.Time
}

// labels are those of OCI's annotations that tools show.
func (d description) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "ktlstop",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version":  d.version,
		"org.opencontainers.image.revision": d.revision,
	}
}

// newIndex is the image of all architectures.
func newIndex(programs []program, d description) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		image, err := newImage(p, d)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", p.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: p.arch}}})
	}
	return index, nil
}

// newImage holds one file and nothing else: the program is static.
func newImage(p program, d description) (v1.Image, error) {
	layer, err := newLayer(p.path, d.created)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "ktlstop", Created: v1.Time{Time: d.created}}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", p.arch, v1.Time{Time: d.created}
	config.Config = v1.Config{Entrypoint: []string{"/usr/bin/ktlstop"}, Cmd: []string{"serve"}, Labels: d.labels(),
		Env: []string{"PATH=/usr/bin"}}
	return mutate.ConfigFile(image, config)
}

// newLayer is a tar with the program as /usr/bin/ktlstop, and an empty /tmp.
func newLayer(path string, created time.Time) (v1.Layer, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []struct {
		name string
		mode int64
	}{{"tmp/", 0o1777}, {"usr/", 0o755}, {"usr/bin/", 0o755}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode, ModTime: created}); err != nil {
			return nil, err
		}
	}
	if err := writeFile(w, "usr/bin/ktlstop", 0o755, program, created); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

func writeFile(w *tar.Writer, name string, mode int64, content []byte, created time.Time) error {
	header := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: created}
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
