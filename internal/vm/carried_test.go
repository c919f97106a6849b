package vm

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWithLibraries: a program is listed with its loader and libraries, any other file alone.
func TestWithLibraries(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"/bin/cat":    `^/bin/cat \S*/ld-linux\S+ \S*/libc\.so\.6( |$)`,
		script:        "^" + regexp.QuoteMeta(script) + "$",
		t.TempDir():   `^\S+$`,
		"/bin/nobody": "",
	} {
		got, err := withLibraries(file)
		if (err != nil) != (want == "") || !regexp.MustCompile(want).MatchString(strings.Join(got, " ")) {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}

// TestCarry: the files of a guest are at the host's paths, each folder before its contents, and
// once.
func TestCarry(t *testing.T) {
	dir := t.TempDir()
	k := kernelIn(dir, "6.1-cloud", "6.1.0-1-cloud-amd64")
	tls := filepath.Join(k.Modules(), "tls.ko")
	program, folder := filepath.Join(dir, "a/b/program"), filepath.Join(dir, "a/c")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{tls: "module", filepath.Join(k.Modules(), "modules.dep"): "tls.ko:\n", program: "program's text"} {
		if err := replaceFile(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	c := &cpioWriter{w: &out}
	if err := carry(c, k, moduleDeps{"tls": {"tls.ko"}}, []string{program, folder}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(carriedRoot+`(/[^\x00]*)?\x00`).FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
	}
	for _, want := range []string{"", dir, folder, program, tls, "/tmp"} {
		at := slices.Index(names, want)
		above := slices.Index(names, strings.TrimSuffix(filepath.Dir(want), "/"))
		if at < 0 || want != "" && (above < 0 || above > at) || slices.Contains(names[at+1:], want) {
			t.Errorf("%q is at %d, what it lies in at %d of %q", want, at, above, names)
		}
	}
	if !strings.Contains(out.String(), "program's text") {
		t.Error("a file is empty")
	}
	if err := carry(c, k, nil, []string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a file that is not there was carried")
	}
}
