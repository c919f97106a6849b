package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRootKey: another list makes another root, the same list does not.
func TestRootKey(t *testing.T) {
	r, err := findRoot("trixie")
	if err != nil {
		t.Fatal(err)
	}
	other := r
	if other.key() != r.key() {
		t.Error("two names for one list")
	}
	other.packages = append([]string{"one-more"}, r.packages...)
	if other.key() == r.key() {
		t.Error("one name for two lists")
	}
	if _, err := findRoot("no"); err == nil || !strings.Contains(err.Error(), "there are trixie, haproxy") {
		t.Errorf("an unknown root: %v", err)
	}
}

// TestRemoveOlder: an unused root is removed, this list's own and a young one stay.
func TestRemoveOlder(t *testing.T) {
	dir := t.TempDir()
	r := programRoot{name: "trixie", packages: []string{"a"}}
	own, young, old, another := filepath.Join(dir, "trixie-"+r.key()), filepath.Join(dir, "trixie-young"), filepath.Join(dir, "trixie-old"), filepath.Join(dir, "haproxy-old")
	past := time.Now().Add(-2 * keepRoot)
	for _, name := range []string{own, young, old, another} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		if name != young {
			if err := os.Chtimes(name, past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
	if name, ok := r.cached(dir); !ok || name != own {
		t.Errorf("cached: %s, %v", name, ok)
	}
	r.removeOlder(dir)
	for name, want := range map[string]bool{own: true, young: true, old: false, another: true} {
		if exists(name) != want {
			t.Errorf("%s is there: %v", filepath.Base(name), !want)
		}
	}
}

// TestAddUsers: a root has every Debian's users and its own.
func TestAddUsers(t *testing.T) {
	tree := t.TempDir()
	for _, dir := range []string{"usr/share/base-passwd", "etc"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{"passwd": "root:*:0:0:root:/root:/bin/bash\n", "group": "root:*:0:\n"} {
		if err := os.WriteFile(filepath.Join(tree, "usr/share/base-passwd", file+".master"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := programRoot{users: []string{"one", "two"}}
	if err := r.addUsers(tree); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/bash\none:x:900:900::/nonexistent:/usr/sbin/nologin\ntwo:x:901:901::/nonexistent:/usr/sbin/nologin\n",
		"group":  "root:x:0:\none:x:900:\ntwo:x:901:\n",
	} {
		if got, err := os.ReadFile(filepath.Join(tree, "etc", file)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}
