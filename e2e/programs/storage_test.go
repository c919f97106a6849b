package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestStorage: disks and shares of the kernel, which gets its TLS handshakes from tlshd.
func TestStorage(t *testing.T) {
	onItsKernel(t)
	if guesttest.Kernel() == "6.1" {
		t.Skip("NFS has TLS since 6.5, NVMe/TCP since 6.7")
	}
	w := newWorld(t)
	if out, err := exec.Command("modprobe", "-a", "nvmet-tcp", "nvme-tcp", "nfsd", "nfsv4").CombinedOutput(); err != nil {
		t.Fatalf("modprobe: %v: %s", err, out)
	}
	startTLSHD(t, w)
	try(t, w.trixie, storageTrials(w)...)
}

func storageTrials(w *world) []trial {
	l := &listing{world: w}
	l.once = sync.OnceFunc(l.list)
	return []trial{&nvme{listing: l}, &nfs{listing: l}}
}

// tlshdConf: NVMe/TCP takes its keys from a keyring, NFS a certificate.
const tlshdConf = `
[debug]
loglevel=1
tls=1
[authenticate]
keyrings=.nvme
[authenticate.client]
x509.truststore=CERT
[authenticate.server]
x509.truststore=CERT
x509.certificate=CERT
x509.private_key=KEY
`

// startTLSHD starts the daemon that does the handshakes that the kernel requests. A request
// before the daemon listens gets none.
func startTLSHD(t *testing.T, w *world) {
	t.Helper()
	must(t, os.Chmod(w.key, 0o600)) // otherwise it does not accept it
	conf := strings.NewReplacer("CERT", w.cert, "KEY", w.key).Replace(tlshdConf)
	must(t, os.WriteFile(filepath.Join(w.trixie.dir, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644))
	cmd := w.trixie.command(t, "tlshd", "-s", "-c", w.write(t, "tlshd.conf", conf))
	start(t, cmd)
	until(t, "tlshd listens to the kernel", func() bool { return listensToNetlink(t, cmd.Process.Pid) })
}

// listensToNetlink reports whether a process has a socket of generic netlink and sleeps: between
// the two it only joins the group that the kernel calls, which takes no time.
func listensToNetlink(t *testing.T, pid int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/net/netlink")
	must(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line) // sk, Eth, the protocol, … and the inode
		if f[1] == strconv.Itoa(unix.NETLINK_GENERIC) && hasOpen(pid, "socket:["+f[len(f)-1]+"]") {
			return bytes.Contains(status, []byte("State:\tS"))
		}
	}
	return false
}

// directIO is a piece of memory that the kernel reads and writes without copying.
func directIO(t *testing.T, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	must(t, err)
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// writeDirect writes a file or a disk past the caches, in pieces.
func writeDirect(t *testing.T, name string, data []byte, piece int) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_DIRECT, 0o644)
	must(t, err)
	defer f.Close()
	b := directIO(t, piece)
	for len(data) > 0 {
		n := copy(b, data)
		_, err := f.Write(b[:n])
		must(t, err)
		data = data[n:]
	}
	must(t, f.Close())
}

// readDirect reads the first n bytes past the caches, in pieces.
func readDirect(t *testing.T, name string, n, piece int) (data []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECT, 0)
	must(t, err)
	defer f.Close()
	b := directIO(t, piece)
	for len(data) < n {
		k, err := f.Read(b)
		must(t, err)
		data = append(data, b[:k]...)
	}
	return data
}

// put writes a file of the kernel, or of one of its daemons.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatalf("%q to %s: %v", text, name, err)
	}
}

// contiguous checks that no sequence number is missing among those a socket sent or received.
func (tr *trace) contiguous(t *testing.T, lport, rport int, dir event.Dir) {
	t.Helper()
	seen := 0
	var due uint64
	for _, r := range tr.records {
		if int(r.Conn.LPort) != lport || int(r.Conn.RPort) != rport || r.Dir != dir {
			continue
		}
		if seen > 0 && r.Seq != due {
			t.Errorf("port %d to %d, %v: sequence %d after %d", lport, rport, dir, r.Seq, due-1)
		}
		seen, due = seen+1, r.Seq+1
	}
	if seen == 0 {
		t.Errorf("port %d to %d, %v: no record", lport, rport, dir)
	}
}

// holds reports whether each block of a file is in the data of one direction.
func holds(stream, file []byte) bool {
	const block = 4096
	for ; len(file) > 0; file = file[min(block, len(file)):] {
		if !bytes.Contains(stream, file[:min(block, len(file))]) {
			return false
		}
	}
	return true
}
