package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// transferSize is the size of a transfer through the tunnel.
const transferSize = 20 << 20

// TestOpenConnect: the data channel between Debian's openconnect and Debian's ocserv is in
// the kernel: the module counts all traffic of the tunnel, and it arrives unchanged. When
// the client reconnects, its channel is in the kernel again.
func TestOpenConnect(t *testing.T) {
	onlyOn(t, "6.12")
	kmodtest.Load(t, "af_ktls")
	v := startTunnel(t, "rekey-time = 172800")
	before := v.stats()
	v.ping(10)
	after := v.stats()
	if sent, got := after.TXRecords-before.TXRecords, after.RXRecords-before.RXRecords; sent < 10 || got < 10 {
		t.Errorf("10 pings: the module sent %d records and received %d", sent, got)
	}
	v.checkTrace()
	after = v.stats()
	v.transfer(transferSize)
	passed := v.stats()
	if got := passed.RXBytes - after.RXBytes; got < transferSize {
		t.Errorf("of %d bytes only %d passed the module", transferSize, got)
	}
	v.noFaults()
	n := v.said("in the kernel")
	v.signal(unix.SIGUSR2)
	v.says("in the kernel", n+1)
	v.ping(5)
	v.noFaults()
	v.stopClient()
}

// checkTrace compares the channel's records in ktlstop's trace with the module's counts, and
// their plaintext with the pings.
func (v *tunnel) checkTrace() {
	v.t.Helper()
	const pings, size = 10, 1 + 20 + 8 + 900 // the packet's type, IP, ICMP, bytes of a ping
	outer := v.stats()
	tr := startTracer(v.t, "--port", strconv.Itoa(vpnPort), "-s", strconv.Itoa(size))
	before := v.stats()
	v.ping(pings)
	after := v.stats()
	got := tr.stop()
	last := v.stats()
	got.noLosses(v.t)
	got.invariants(v.t, size)
	for dir, counts := range map[string][4]uint64{
		"tx": {outer.TXRecords, before.TXRecords, after.TXRecords, last.TXRecords},
		"rx": {outer.RXRecords, before.RXRecords, after.RXRecords, last.RXRecords},
	} {
		records := got.ofType("record").filter(func(l *line) bool { return l.Dir == dir })
		// Other tunnel traffic at the start and end of the trace may be in it or not.
		if n := uint64(len(records)); n < counts[2]-counts[1] || n > counts[3]-counts[0] {
			v.t.Errorf("%s: ktlstop shows %d records, the module counted %d to %d", dir, n, counts[2]-counts[1], counts[3]-counts[0])
		}
		if n := len(records.filter(func(l *line) bool { return v.isPing(l, size) })); n != pings {
			v.t.Errorf("%s: %d of %d records are pings, want %d: %+v", dir, n, len(records), pings, records)
		}
	}
}

// checkSessions: each session that went into the kernel is a connection of the trace, with
// its end, and none of its records is missing.
func (tr trace) checkSessions(t *testing.T, sessions int) {
	t.Helper()
	tr.invariants(t, 0)
	tr.checkComplete(t)
	states := map[string]int{}
	for _, l := range tr.ofType("socket") {
		states[l.State+" "+l.Dir]++
	}
	if states["close "] != sessions || states["open tx"] != sessions || states["open rx"] != sessions {
		t.Errorf("sessions went into the kernel %d times, the trace has %v", sessions, states)
	}
	if records := tr.summary(t).Records; records["tx"] == 0 || records["rx"] == 0 {
		t.Errorf("the trace has %v records", records)
	}
}

// isPing reports whether a record of openconnect holds a packet (type 0) that is a ping over
// IPv4 or its answer.
func (v *tunnel) isPing(l *line, size int) bool {
	const ipv4, icmp = 4, 1
	b := l.Payload.Data
	return l.PID == v.pid() && l.Comm == "openconnect" && l.TLS == security{"DTLS1.2", "AES-GCM-256", "sw"} &&
		l.Sock.RPort == vpnPort && l.Len == size && len(b) == size && b[0] == 0 && b[1]>>4 == ipv4 && b[10] == icmp
}

// TestOpenConnectRekey: the channel stays in the kernel when it gets new keys, by a
// handshake within the session or by a new session, and traffic through the tunnel arrives
// unchanged meanwhile.
func TestOpenConnectRekey(t *testing.T) {
	onlyOn(t, "6.12")
	kmodtest.Load(t, "af_ktls")
	tr, sessions := startTracer(t, "--port", strconv.Itoa(vpnPort)), 0
	for _, c := range []struct {
		name  string
		lines []string
		suite string // openconnect's message about its handshake
		times int    // how often the session goes into the kernel
	}{
		{"within the session", []string{"rekey-method = ssl"}, "-(PSK)-", 3},
		// The way of Cisco's clients: the client speaks last in the handshake.
		{"a session resumed", []string{"rekey-method = new-tunnel", "dtls-psk = false"}, "-(RSA)-", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := startTunnel(t, append(c.lines, "rekey-time = 8")...)
			// At intervals, since each record is audited in the end, which takes an emulated
			// processor longer than the traffic.
			pace := time.NewTicker(500 * time.Millisecond)
			defer pace.Stop()
			for deadline := time.Now().Add(3 * patience); v.said("in the kernel") < c.times; <-pace.C {
				if time.Now().After(deadline) {
					t.Fatalf("openconnect's session was in the kernel %d times, not %d", v.said("in the kernel"), c.times)
				}
				v.transfer(1 << 15)
			}
			v.transfer(1 << 18)
			v.noFaults()
			v.stopClient()
			sessions += v.said("in the kernel")
			if v.said("Ciphersuite (DTLS1.2)"+c.suite) == 0 {
				t.Errorf("openconnect did not make the handshake %s", c.suite)
			}
		})
	}
	tr.stop().checkSessions(t, sessions)
}

// transfer sends bytes from the server to the client by TCP through the tunnel,
// and compares them.
func (v *tunnel) transfer(size int) {
	v.t.Helper()
	want := pattern(size, 5)
	ln := v.listen()
	defer ln.Close()
	sent := make(chan error, 1)
	go func() { sent <- serve(ln, want) }()
	c := v.dial(ln.Addr())
	defer c.Close()
	must(v.t, c.SetDeadline(time.Now().Add(4*patience)))
	got, err := io.ReadAll(c)
	must(v.t, err)
	must(v.t, <-sent)
	if !bytes.Equal(got, want) {
		v.t.Errorf("%d bytes arrived, not those that were sent, %d", len(got), len(want))
	}
}

func serve(ln net.Listener, b []byte) error {
	c, err := ln.Accept()
	if err != nil {
		return err
	}
	if _, err := c.Write(b); err != nil {
		return err
	}
	return c.Close()
}

// listen listens at the server's end of the tunnel.
func (v *tunnel) listen() (ln net.Listener) {
	v.t.Helper()
	inHost(v.t, serverHost, func() {
		var err error
		ln, err = net.Listen("tcp", tunnelServer+":0")
		must(v.t, err)
	})
	return ln
}

// dial connects from the client's end.
func (v *tunnel) dial(addr net.Addr) (c net.Conn) {
	v.t.Helper()
	inHost(v.t, clientHost, func() {
		var err error
		c, err = net.DialTimeout("tcp", addr.String(), patience)
		must(v.t, err)
	})
	return c
}

// ktlsStats is struct ktls_stats of kmod/af_ktls/af_ktls.h.
type ktlsStats struct {
	TXRecords, TXBytes, RXRecords, RXBytes                                uint64
	Replays, BadTags, OtherEpochs, Full, Malformed, Filtered, ToUserSpace uint64
}

// stats reads the module's counts of the client's socket.
func (v *tunnel) stats() (s ktlsStats) {
	v.t.Helper()
	const solKTLS, optStats = 12, 23
	fd := v.ktlsSocket()
	defer unix.Close(fd)
	size := uint32(unsafe.Sizeof(s))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), solKTLS, optStats,
		uintptr(unsafe.Pointer(&s)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size != uint32(unsafe.Sizeof(s)) {
		v.t.Fatalf("KTLS_STATS: %v, %d bytes", errno, size)
	}
	return s
}

// ktlsSocket returns a copy of openconnect's descriptor of its AF_KTLS socket. It waits for
// one: between two sessions there is none.
func (v *tunnel) ktlsSocket() (fd int) {
	v.t.Helper()
	eventually(v.t, "an AF_KTLS socket of openconnect", func() bool {
		pidfd, err := unix.PidfdOpen(v.pid(), 0)
		must(v.t, err)
		defer unix.Close(pidfd)
		for _, n := range sockets(v.t, v.pid()) {
			fd, err = unix.PidfdGetfd(pidfd, n, 0)
			if err != nil {
				continue // it was closed meanwhile
			}
			if family, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); family == 12 {
				return true
			}
			unix.Close(fd)
		}
		return false
	})
	return fd
}

// sockets returns a process's descriptors of sockets.
func sockets(t *testing.T, pid int) (fds []int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if name, _ := os.Readlink(filepath.Join(dir, e.Name())); strings.HasPrefix(name, "socket:") {
			n, err := strconv.Atoi(e.Name())
			must(t, err)
			fds = append(fds, n)
		}
	}
	return fds
}

// pid is openconnect's: ip and env have executed it.
func (v *tunnel) pid() int { return v.client.Process.Pid }

func (v *tunnel) signal(s unix.Signal) {
	v.t.Helper()
	must(v.t, v.client.Process.Signal(s))
}

// noFaults checks that the module has refused nothing in the current session.
func (v *tunnel) noFaults() {
	v.t.Helper()
	if s := v.stats(); s.Replays+s.BadTags+s.Malformed+s.Filtered > 0 {
		v.t.Errorf("the module refused records: %+v", s)
	}
}

// stopClient ends openconnect like Ctrl-C: it says goodbye, and the library gives the
// session back, as for all earlier ones.
func (v *tunnel) stopClient() {
	v.t.Helper()
	v.signal(unix.SIGINT)
	v.says("User cancelled (SIGINT/SIGTERM); exiting.", 1)
	select {
	case <-v.ended:
	case <-time.After(patience):
		v.t.Fatal("openconnect did not end")
	}
	if in, out := v.said("in the kernel"), v.said("out of the kernel"); in != out || v.said("lost") > 0 {
		v.t.Errorf("%d sessions went into the kernel, %d came out of it, %d were lost", in, out, v.said("lost"))
	}
}
