package tap

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNamespaceNumber: by number, by path, and by a name that is not there.
func TestNamespaceNumber(t *testing.T) {
	link, err := os.Readlink("/proc/self/ns/net") // net:[NUMBER]
	if err != nil {
		t.Fatal(err)
	}
	number := strings.Trim(link, "net:[]")
	for _, name := range []string{number, "/proc/self/ns/net"} {
		if n, err := NamespaceNumber(name); err != nil || strconv.Itoa(int(n)) != number {
			t.Errorf("%s is %d, %v, want %s", name, n, err, number)
		}
	}
	for _, name := range []string{"no-such-namespace", "0", "/proc/self/ns/none", "4294967296"} {
		if n, err := NamespaceNumber(name); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s is %d, %v", name, n, err)
		}
	}
}

// Other files have inode numbers too, and other namespaces.
func TestNoNetworkNamespace(t *testing.T) {
	for _, name := range []string{"./namespace_test.go", "/proc/self/ns/mnt", "/dev/null", "/"} {
		if n, err := NamespaceNumber(name); err == nil {
			t.Errorf("%s is namespace %d", name, n)
		}
	}
}
