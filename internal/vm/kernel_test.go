package vm

import (
	"os"
	"path/filepath"
	"testing"
)

// TestServes: a kernel that was kept for its types is fetched anew when it is to be booted.
func TestServes(t *testing.T) {
	k := kernelIn(t.TempDir(), "6.1-rt", "6.1.0-1-rt-amd64")
	write := func(file, text string) {
		t.Helper()
		if err := replaceFile(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, boots, types bool) {
		t.Helper()
		if k.serves(true) != boots || k.serves(false) != types {
			t.Errorf("%s: to boot %v, for its types %v", what, k.serves(true), k.serves(false))
		}
	}
	expect("nothing", false, false)
	write(k.Image(), "")
	write(filepath.Join(k.Modules(), "modules.dep"), "fs/overlay.ko:\nnet/9p/9pnet_virtio.ko: net/9p/9pnet.ko\nnet/tls/tls.ko:\n")
	write(filepath.Join(k.Modules(), "net/tls/tls.ko"), "")
	expect("its types", false, true)
	for _, file := range []string{"fs/overlay.ko", "net/9p/9pnet_virtio.ko", "net/9p/9pnet.ko"} {
		write(filepath.Join(k.Modules(), file), "")
	}
	expect("its modules", true, true)
	if err := os.Remove(k.Image()); err != nil {
		t.Fatal(err)
	}
	expect("no image", false, false)
}
