package vm

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		to := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindModules(t *testing.T) {
	src := tree(t, map[string]string{
		"one/Kbuild": "obj-m := one.o", "one/a.c": "int a;", "one/sub/a.h": "", "one/README.md": "text", "one/one.mod.c": "made",
		"two/Kbuild": "obj-m := two.o", "notes/a.c": "no module",
	})
	modules, err := findModules(src)
	if err != nil || len(modules) != 2 || modules[0].name != "one" || modules[1].name != "two" {
		t.Fatalf("%v, %v", modules, err)
	}
	if got, want := modules[0].names(), []string{"Kbuild", "a.c", "sub/a.h"}; !slices.Equal(got, want) {
		t.Errorf("its files are %q, want %q", got, want)
	}
	out := t.TempDir()
	if err := modules[0].write(out); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "a.c")); string(b) != "int a;" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := findModules(t.TempDir()); err == nil {
		t.Error("a directory without modules was accepted")
	}
}

// A module is built again when any of its sources changes.
func TestModuleKey(t *testing.T) {
	module := func(files ...string) *moduleSource {
		m := &moduleSource{"m", map[string][]byte{}}
		for i := 0; i < len(files); i += 2 {
			m.files[files[i]] = []byte(files[i+1])
		}
		return m
	}
	k := &Kernel{Series: "6.1", Release: "6.1.0-1-amd64"}
	keys := map[string]string{
		"as it was":     module("Kbuild", "x", "a.c", "y").key(k, "root-1"),
		"other text":    module("Kbuild", "x", "a.c", "z").key(k, "root-1"),
		"other name":    module("Kbuild", "x", "b.c", "y").key(k, "root-1"),
		"moved text":    module("Kbuild", "xy", "a.c", "").key(k, "root-1"),
		"other root":    module("Kbuild", "x", "a.c", "y").key(k, "root-2"),
		"other release": module("Kbuild", "x", "a.c", "y").key(&Kernel{Series: "6.1", Release: "6.1.0-2-amd64"}, "root-1"),
	}
	seen := map[string]string{}
	for name, key := range keys {
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[key] = name
	}
	if again := module("a.c", "y", "Kbuild", "x").key(k, "root-1"); again != keys["as it was"] {
		t.Error("the key depends on the order of files")
	}
}

func TestRemoveStale(t *testing.T) {
	out := tree(t, map[string]string{"one.ko": "", "gone.ko": "", missingNote: "no headers"})
	if err := removeStale(out, []string{"one.ko"}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "one.ko" {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestPickHeaders(t *testing.T) {
	old := []string{"linux-headers-6.1.0-57-amd64", "linux-headers-6.1.0-57-common", "linux-kbuild-6.1", "linux-headers-6.1.0-56-amd64"}
	latest := []string{"linux-headers-7.3.4+deb13-amd64", "linux-headers-7.3.4+deb13-common", "linux-kbuild-7.3.4+deb13", "linux-kbuild-7.3"}
	large := []string{"linux-headers-6.12.1+deb13-arm64-16k", "linux-headers-6.12.1+deb13-common", "linux-kbuild-6.12.1+deb13", "linux-headers-6.12.1+deb13-arm64"}
	preempts := []string{"linux-headers-6.1.0-57-rt-amd64", "linux-headers-6.1.0-57-common-rt", "linux-kbuild-6.1", "linux-headers-6.1.0-57-common"}
	shares := []string{"linux-headers-7.3.4+deb13-rt-amd64", "linux-headers-7.3.4+deb13-common", "linux-kbuild-7.3.4+deb13"}
	cloud := []string{"linux-headers-6.1.0-57-cloud-amd64", "linux-headers-6.1.0-57-common", "linux-kbuild-6.1", "linux-headers-6.1.0-57-common-rt"}
	for _, c := range []struct {
		series, release string
		known, want     []string
	}{
		{"6.1-rt", "6.1.0-57-rt-amd64", preempts, preempts[:3]},
		{"7.3-rt", "7.3.4+deb13-rt-amd64", shares, shares},
		{"6.1-cloud", "6.1.0-57-cloud-amd64", cloud, cloud[:3]},
		{"6.12-arm64-16k", "6.12.1+deb13-arm64-16k", large, large[:3]},
		{"6.1", "6.1.0-57-amd64", old, old[:3]},
		{"7.3", "7.3.4+deb13-amd64", latest, latest[:3]},
	} {
		got, err := pickHeaders(c.known, &Kernel{Series: c.series, Release: c.release})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", c.release, got, err)
		}
	}
	_, err := pickHeaders(old, &Kernel{Series: "6.1", Release: "6.1.0-55-amd64"})
	if !errors.Is(err, errNoHeaders) || !strings.Contains(err.Error(), "linux-headers-6.1.0-55-amd64") {
		t.Errorf("headers that nobody has: %v", err)
	}
}

// Missing headers are looked up once a day.
func TestKnownMissing(t *testing.T) {
	cache := t.TempDir()
	k := &Kernel{Series: "6.18", Release: "6.18.15+deb13-amd64"}
	if err := knownMissing(cache, k); err != nil {
		t.Errorf("before anybody looked: %v", err)
	}
	if err := replaceFile(missingFile(cache, k), nil); err != nil {
		t.Fatal(err)
	}
	if err := knownMissing(cache, k); !errors.Is(err, errNoHeaders) {
		t.Errorf("just after: %v", err)
	}
	info, err := os.Stat(missingFile(cache, k))
	if err != nil {
		t.Fatal(err)
	}
	before := info.ModTime().Add(-missingFor)
	if err := os.Chtimes(missingFile(cache, k), before, before); err != nil {
		t.Fatal(err)
	}
	if err := knownMissing(cache, k); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestInstallLine(t *testing.T) {
	const said = "Reading package lists...\nInst gcc-14-base (14.2.0-19 Debian:13.0/stable [amd64])\nInst libc6 (2.41-12+deb13u5 Debian:13.6/stable [amd64]) []\nConf libc6 (2.41-12+deb13u5 Debian:13.6/stable [amd64])\n"
	var got []string
	for _, m := range installLine.FindAllStringSubmatch(said, -1) {
		got = append(got, m[1]+"="+m[2])
	}
	if want := []string{"gcc-14-base=14.2.0-19", "libc6=2.41-12+deb13u5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
