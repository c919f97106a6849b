package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// TestImage: the archive is a whole image, and is the same again whenever and
// wherever it is made.
func TestImage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var archives [2][]byte
	for i := range archives {
		archives[i] = archive(t)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the second archive differs")
	}
	dir := unpack(t, archives[0])
	where, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := where.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
}

// TestImageSays: what runs, for which machine, and when it was made.
func TestImageSays(t *testing.T) {
	created := time.Unix(1_700_000_000, 0).UTC()
	image, err := newImage(program{"arm64", writeProgram(t)}, description{version: "1.2.3", created: created})
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{config.OS, config.Architecture, config.Created.String(), config.Config.Entrypoint[0], config.Config.Cmd[0],
		config.Config.Labels["org.opencontainers.image.version"]}
	if diff := cmp.Diff([]string{"linux", "arm64", created.String(), "/usr/bin/ktlstop", "serve", "1.2.3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range [][]string{{}, {"amd64"}, {"=x"}, {"amd64=/nonexistent"}, {"-frobnicate"}} {
		if err := run(append([]string{"-o", filepath.Join(t.TempDir(), "image.tar")}, args...)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func writeProgram(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("not really a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// archive makes an image for two machines.
func archive(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := run([]string{"-o", out, "amd64=" + writeProgram(t), "arm64=" + writeProgram(t)}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unpack(t *testing.T, archive []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "again.tar")
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		unpackOne(t, r, header, filepath.Join(dir, header.Name))
	}
}

func unpackOne(t *testing.T, r io.Reader, header *tar.Header, path string) {
	t.Helper()
	if header.Typeflag == tar.TypeDir {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
