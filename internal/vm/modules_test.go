package vm

import (
	"reflect"
	"testing"
)

func TestClosure(t *testing.T) {
	deps := parseDeps(`kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz:
kernel/fs/netfs/netfs.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz
kernel/arch/x86/crypto/aesni-intel.ko:
`)
	got := deps.closure([]string{"9p", "built_in", "9pnet_virtio", "aesni_intel"})
	want := []string{"kernel/fs/netfs/netfs.ko.xz", "kernel/net/9p/9pnet.ko.xz", "kernel/fs/9p/9p.ko.xz",
		"kernel/net/9p/9pnet_virtio.ko.xz", "kernel/arch/x86/crypto/aesni-intel.ko"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if rest := without(want, want[:3]); !reflect.DeepEqual(rest, want[3:]) {
		t.Errorf("without left %v", rest)
	}
}
