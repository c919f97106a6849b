package sink

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "old")
	if err := os.WriteFile(name, []byte("what was there"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	for _, refused := range []string{link, dir, filepath.Join(dir, "none", "file")} {
		if f, err := Create(refused, true); err == nil {
			f.Close()
			t.Errorf("%s is taken", refused)
		}
	}
	if b, _ := os.ReadFile(name); string(b) != "what was there" {
		t.Errorf("a refused file holds %q", b)
	}
	for _, taken := range []string{name, filepath.Join(dir, "new")} {
		f, err := Create(taken, true)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil || st.Mode() != 0o600 || st.Size() != 0 {
			t.Errorf("%s: %v, %v", taken, st, err)
		}
		f.Close()
	}
}

// TestCreateOfOthers: what another user owns is neither emptied nor chmodded.
func TestCreateOfOthers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(name, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(name, 65534, 65534); err != nil {
		t.Skipf("only root can give files away: %v", err)
	}
	if f, err := Create(name, true); err == nil {
		f.Close()
		t.Error("it is taken")
	}
	if b, _ := os.ReadFile(name); string(b) != "theirs" {
		t.Errorf("it holds %q", b)
	}
}

// TestCreateDevice: root's chmod would close /dev/null to everybody.
func TestCreateDevice(t *testing.T) {
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Create(os.DevNull, true)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if after, err := os.Stat(os.DevNull); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v becomes %v, %v", before.Mode(), after.Mode(), err)
	}
}

// TestTouch: a file is made, one that is there is emptied, and the file behind a
// symbolic link stays as it is.
func TestTouch(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := os.WriteFile(victim, []byte("what was there"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if err := Touch(link); err == nil || !strings.Contains(err.Error(), link+" is a symbolic link") {
		t.Errorf("through a link: %v", err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "what was there" {
		t.Errorf("the file behind the link holds %q", b)
	}
	for _, name := range []string{victim, filepath.Join(dir, "new")} {
		if err := Touch(name); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(name); len(b) != 0 || err != nil {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
}
