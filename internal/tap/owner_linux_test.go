package tap

import (
	"os/exec"
	"strings"
	"testing"
)

func TestOwner(t *testing.T) {
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parseOwner(me.String())
	if !ok || got != me {
		t.Errorf("%q reads as %+v", me, got)
	}
	if gone, err := me.gone(); gone || err != nil {
		t.Errorf("this process is gone: %v, %v", gone, err)
	}
	before := me
	before.start-- // another process had this pid
	if gone, err := before.gone(); !gone || err != nil {
		t.Errorf("an older process of this pid: %v, %v", gone, err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	ended := me
	ended.pid = cmd.Process.Pid
	if gone, err := ended.gone(); !gone || err != nil {
		t.Errorf("a process that has ended: %v, %v", gone, err)
	}
	ended.pidns++ // its pid may be anybody's there
	if gone, err := ended.gone(); gone || err != nil {
		t.Errorf("a process of another namespace: %v, %v", gone, err)
	}
}

// TestForeignAliases: only an alias of exactly our form makes an interface ours.
func TestForeignAliases(t *testing.T) {
	for _, alias := range []string{"", "uplink", "ktlstop", "ktlstop tap pid 1", "ktlstop tap pid 1 start 2 pidns 3 and more",
		" ktlstop tap pid 1 start 2 pidns 3", "ktlstop tap pid +1 start 2 pidns 3", "ktlstop tap pid 1 start -2 pidns 3"} {
		if o, ok := parseOwner(alias); ok {
			t.Errorf("%q is taken for %+v", alias, o)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"ktls0", "a", "tap-1.x", strings.Repeat("x", 15)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", ".", "..", "all", "default", "a b", "a/b", "a:b", "ktls%d", "x\x1b[m", "\u00e9", strings.Repeat("x", 16)} {
		if CheckName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}
