package programs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// nfs is a share by NFS 4.2 and RPC with TLS (RFC 9289): the kernel's server and client.
type nfs struct {
	*listing
	// export is the directory that the server exports, data what the client writes there.
	export string
	data   []byte
}

const (
	nfsPort  = 2049
	nfsPiece = 64 << 10
)

func (n *nfs) sides() []side {
	return []side{{"NFS 4.2", "server", "nfs-kernel-server", nfsPort}, {"NFS 4.2", "client", "nfs-common", nfsPort}}
}

func (n *nfs) begin(t *testing.T) {
	n.data = pattern(256 << 10)
	n.export = filepath.Join(n.dir, "export")
	for _, dir := range []string{n.export, filepath.Join(n.dir, "share"), "/var/lib/nfs/v4recovery"} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	// Access to a share without its server would wait for ever.
	t.Cleanup(func() { unix.Unmount(filepath.Join(n.dir, "share"), unix.MNT_FORCE|unix.MNT_DETACH) })
	must(t, unix.Mount("none", n.export, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(n.export, unix.MNT_DETACH)) })
	must(t, unix.Mount("none", "/proc/fs/nfsd", "nfsd", 0, ""))
	n.serve(t)
}

func (n *nfs) serve(t *testing.T) {
	put(t, filepath.Join(n.trixie.dir, "etc/exports"), n.export+" 127.0.0.1(rw,no_root_squash,fsid=0,insecure,no_subtree_check,xprtsec=tls)\n")
	must(t, os.MkdirAll(filepath.Join(n.trixie.dir, "var/lib/nfs"), 0o755))
	for _, state := range []string{"etab", "rmtab"} {
		put(t, filepath.Join(n.trixie.dir, "var/lib/nfs", state), "")
	}
	run(t, n.trixie.command(t, "exportfs", "-ra"))
	mountd := n.trixie.command(t, "rpc.mountd", "-F", "-N", "3")
	start(t, mountd)
	until(t, "rpc.mountd answers the kernel", func() bool { return hasOpen(mountd.Process.Pid, "nfsd.fh/channel") })
	for _, set := range [][2]string{{"nfsv4gracetime", "10"}, {"nfsv4leasetime", "10"}, {"versions", "-3 +4 +4.1 +4.2"}, {"portlist", fmt.Sprintf("tcp %d", nfsPort)}, {"threads", "2"}} {
		put(t, "/proc/fs/nfsd/"+set[0], set[1]+"\n")
	}
	t.Cleanup(func() { put(t, "/proc/fs/nfsd/threads", "0") })
	// No client has earlier locks to reclaim. A server that cannot record its clients says
	// that it is busy, and waits for the configured ten seconds.
	_ = os.WriteFile("/proc/fs/nfsd/v4_end_grace", []byte("Y"), 0o644)
}

// hasOpen reports whether a process has a file open whose path ends like this.
func hasOpen(pid int, end string) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is no bad one
	return slices.ContainsFunc(fds, func(fd string) bool {
		name, _ := os.Readlink(fd) // it may be closed since
		return strings.HasSuffix(name, end)
	})
}

func (n *nfs) talk(t *testing.T) {
	share := filepath.Join(n.dir, "share")
	run(t, n.trixie.command(t, "mount.nfs4", "localhost:/", share, "-o", "vers=4.2,proto=tcp,xprtsec=tls"))
	// A process that another trial is starting may have inherited the file, until it runs.
	defer until(t, "the share is given back", func() bool { return unix.Unmount(share, 0) == nil })
	n.whileConnected(t)
	file := filepath.Join(share, "file")
	writeDirect(t, file, n.data, nfsPiece)
	if !bytes.Equal(readDirect(t, file, len(n.data), 128<<10), n.data) {
		t.Error("read from the share is not what was written to it")
	}
	must(t, os.Mkdir(filepath.Join(share, "folder"), 0o755))
	must(t, os.Remove(filepath.Join(share, "folder")))
}

func (n *nfs) check(t *testing.T, got *trace) string {
	kept, err := os.ReadFile(filepath.Join(n.export, "file"))
	must(t, err)
	if !bytes.Equal(kept, n.data) {
		t.Error("the server's file is not what the client wrote")
	}
	conns, size := got.bothEnds(t, nfsPort)
	var written, read []byte
	messages := 0
	for _, client := range got.clients(nfsPort) {
		asked, answered := got.rpcs(t, client, nfsPort), got.rpcs(t, nfsPort, client)
		asked.answeredBy(t, &answered)
		answered.answeredBy(t, &asked) // the server calls back
		written, read, messages = append(written, asked.stream...), append(read, answered.stream...), messages+asked.n+answered.n
	}
	if !holds(written, n.data) || !holds(read, n.data) {
		t.Errorf("what was written is not among the %d bytes to the server and the %d from it", len(written), len(read))
	}
	n.names(t, got, nfsPort, "nfs", "nfsd")
	for _, s := range n.sides() {
		if writes := got.countCalls(t, s, "nfs", "WRITE", "NFS4_OK"); writes != len(n.data)/nfsPiece {
			t.Errorf("inspect reports %d calls with WRITE of the %s, want %d", writes, s.as, len(n.data)/nfsPiece)
		}
		got.countCalls(t, s, "nfs", "CREATE", "NFS4_OK") // of the folder
	}
	return fmt.Sprintf("%d bytes between both ends of %d connections, walked by %d RPC messages, each call with its reply; a file written and read, in both directions and at the server", size, conns, messages)
}

// rpcs are the messages of ONC RPC (RFC 5531, 9 and 11) in one direction.
type rpcs struct {
	from, to, n    int
	calls, replies []uint32 // their xids
	stream         []byte
}

// rpcs walks from one record mark to the next, at both ends.
func (tr *trace) rpcs(t *testing.T, from, to int) rpcs {
	t.Helper()
	tr.contiguous(t, from, to, event.TX)
	tr.contiguous(t, to, from, event.RX)
	m := rpcs{from: from, to: to}
	m.stream, _ = tr.stream(from, to, event.TX)
	begins := true
	for at := 0; at < len(m.stream); {
		rest := m.stream[at:]
		if len(rest) < 4 {
			t.Fatalf("port %d to %d: %d bytes behind message %d", from, to, len(rest), m.n)
		}
		mark := binary.BigEndian.Uint32(rest)
		size := int(mark &^ (1 << 31))
		if size > len(rest)-4 || begins && size < 8 {
			t.Fatalf("port %d to %d: a fragment of message %d has %d bytes, %d are there", from, to, m.n, size, len(rest)-4)
		}
		if begins {
			m.add(rest[4:])
		}
		begins = mark>>31 == 1 // it was the last of its message
		at += 4 + size
	}
	return m
}

func (m *rpcs) add(message []byte) {
	xid := binary.BigEndian.Uint32(message)
	m.n++
	if binary.BigEndian.Uint32(message[4:]) == 0 {
		m.calls = append(m.calls, xid)
	} else {
		m.replies = append(m.replies, xid)
	}
}

// answeredBy checks that each call has one reply.
func (m *rpcs) answeredBy(t *testing.T, other *rpcs) {
	t.Helper()
	slices.Sort(m.calls)
	slices.Sort(other.replies)
	if !slices.Equal(m.calls, other.replies) {
		t.Errorf("port %d to %d: calls %x, replies to them %x", m.from, m.to, m.calls, other.replies)
	}
}
