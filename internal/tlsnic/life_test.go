package tlsnic

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// Which connections a card gets, and how it loses them.

// TestTypes: the kernel has taken the module's type information, by which programs attach to its functions.
func TestTypes(t *testing.T) {
	Lay(t)
	if info, err := os.Stat("/sys/kernel/btf/tlsnic"); err != nil || info.Size() == 0 {
		t.Errorf("the kernel has no types of the module: %v", err)
	}
}

// TestOneDirection: one card seals what software opens, or the other way round.
func TestOneDirection(t *testing.T) {
	for name, c := range map[string]struct {
		feature string // that both cards lack
		want    map[string]uint64
		stat    map[string]uint64
	}{
		"sealing only": {RX, map[string]uint64{"tx_tls_ctx": 1, "rx_tls_ctx": 0, "tx_tls_encrypted_bytes": sealed(sizes)},
			map[string]uint64{"TlsTxDevice": 1, "TlsRxDevice": 0, "TlsRxSw": 1}},
		"opening only": {TX, map[string]uint64{"tx_tls_ctx": 0, "rx_tls_ctx": 1, "rx_tls_decrypted_bytes": sealed(sizes)},
			map[string]uint64{"TlsTxDevice": 0, "TlsRxDevice": 1, "TlsTxSw": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			cable := Lay(t)
			ends := []*End{cable.A, cable.B}
			for _, e := range ends {
				e.Feature(t, c.feature, false)
			}
			a, b := cable.Pair(t, aes128)
			pass(t, a, b, sizes...)
			pass(t, b, a, sizes...)
			for _, e := range ends {
				counts(t, e.Name, e.Counters(t), c.want)
				counts(t, e.Name, e.Stat(t), c.stat)
			}
		})
	}
}

// TestStaysInSoftware: what the kernel gives to no card.
func TestStaysInSoftware(t *testing.T) {
	c := Lay(t)
	all := []Setting{
		{Cipher: raw.AES128GCM, Version: 0x0304}, {Cipher: raw.AES256GCM, Version: 0x0304}, {Cipher: raw.ChaCha20Poly1305},
	}
	for _, s := range all {
		a, b := c.Pair(t, s)
		pass(t, a, b, sizes...)
	}
	n := uint64(len(all))
	for _, e := range []*End{c.A, c.B} {
		counts(t, e.Name, e.Counters(t), map[string]uint64{"tx_tls_ctx": 0, "rx_tls_ctx": 0})
		counts(t, e.Name, e.Stat(t), map[string]uint64{"TlsTxSw": n, "TlsRxSw": n, "TlsTxDevice": 0, "TlsRxDevice": 0})
	}
}

// TestManyAtOnce: the card distinguishes connections, and gives each back when it is closed.
func TestManyAtOnce(t *testing.T) {
	const n = 8
	c := Lay(t)
	var conns []*net.TCPConn
	errs := make(chan error, n)
	var all sync.WaitGroup
	for i := range n {
		a, b := c.Pair(t, Setting{Cipher: aes128.Cipher, V6: i%2 == 1})
		conns = append(conns, a, b)
		all.Go(func() {
			for j, size := range sizes {
				if err := sendAndReceive(a, b, text(size, i*100+j)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	counts(t, "A", c.A.Counters(t), map[string]uint64{"tx_tls_ctx": n, "tx_tls_del": 0, "tx_tls_encrypted_bytes": n * sealed(sizes)})
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_ctx": n, "rx_tls_del": 0, "rx_tls_decrypted_bytes": n * sealed(sizes)})
	for _, conn := range conns {
		conn.Close()
	}
	for _, e := range []*End{c.A, c.B} {
		eventually(t, e, "tx_tls_del", n) // the kernel does it later, in a work
		eventually(t, e, "rx_tls_del", n)
	}
}

// patience is how long a test waits for something that must happen; the guest is an emulated machine.
const patience = time.Minute

// eventually waits until a counter has a value.
func eventually(t *testing.T, e *End, name string, want uint64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got := e.Counters(t)[name]
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: %s is %d, want %d", e.Name, name, got, want)
			return
		}
		time.Sleep(20 * time.Millisecond) // nobody is notified when a counter changes
	}
}

// arrived waits until a connection has received a number of bytes. The card counts them before it hands them on.
func arrived(t *testing.T, conn *net.TCPConn, want uint64) {
	t.Helper()
	raw, err := conn.SyscallConn()
	must(t, err)
	for deadline := time.Now().Add(patience); ; {
		var info *unix.TCPInfo
		must(t, raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) }))
		must(t, err)
		if info.Bytes_received == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes have arrived, want %d", info.Bytes_received, want)
		}
		time.Sleep(time.Millisecond) // a reader would be woken for a whole record only
	}
}

// TestGoesDown: connections outlive the card that did their work, in software.
func TestGoesDown(t *testing.T) {
	c := Lay(t)
	a, b := c.Pair(t, aes128)
	pass(t, a, b, sizes...)
	c.B.Down(t)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"tx_tls_del": 1, "rx_tls_del": 1})
	c.B.Up(t)
	before := c.B.Counters(t)
	pass(t, a, b, sizes...)
	pass(t, b, a, sizes...)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"tx_tls_encrypted_bytes": before["tx_tls_encrypted_bytes"], "rx_tls_decrypted_bytes": before["rx_tls_decrypted_bytes"]})
	counts(t, "A", c.A.Counters(t), map[string]uint64{"tx_tls_del": 0, "rx_tls_del": 0})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
	a, b = c.Pair(t, aes128)
	pass(t, a, b, sizes...)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_ctx": 2})
}

// TestGoesDownInRecord: the card goes when it has opened one half of a record, which the kernel seals again to open all.
func TestGoesDownInRecord(t *testing.T) {
	c := Lay(t)
	a, b := c.Connect(t, false)
	info, _ := aes128.Keys()
	must(t, raw.Enable(b, nil, info))
	want := text(5000, 1)
	nonce := append(bytes.Clone(info.Salt), binary.BigEndian.AppendUint64(nil, 7)...)
	record := append([]byte{23, 3, 3, (5000 + 24) >> 8, (5000 + 24) & 0xff}, nonce[4:]...)
	record = gcm(t, info).Seal(record, nonce, want, additional(0, 23, len(want)))
	_, err := a.Write(record[:2000])
	must(t, err)
	arrived(t, b, 2000)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_decrypted_bytes": 2000})
	c.B.Down(t)
	c.B.Up(t)
	_, err = a.Write(record[2000:])
	must(t, err)
	got := make([]byte, len(want))
	_, err = io.ReadFull(b, got)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("the record came out otherwise")
	}
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_decrypted_bytes": 2000, "rx_tls_del": 1})
}

// TestGoesDownInTraffic: the card goes in the middle of a transfer, which goes on when it is back.
func TestGoesDownInTraffic(t *testing.T) {
	const size = 500_000
	c := Lay(t)
	for i, e := range []*End{c.A, c.B, c.A, c.B} {
		a, b := c.Pair(t, aes128)
		before := c.A.Counters(t)["tx_tls_encrypted_bytes"]
		var back atomic.Bool
		done := make(chan error, 1)
		go func() { // a transfer may be over before the card goes: then the next one is under way
			err := sendAndReceive(a, b, text(size, i))
			for err == nil && !back.Load() {
				err = sendAndReceive(a, b, text(size, i))
			}
			done <- err
		}()
		for c.A.Counters(t)["tx_tls_encrypted_bytes"] == before && len(done) == 0 {
			runtime.Gosched()
		}
		e.Down(t)
		e.Up(t)
		back.Store(true)
		if err := <-done; err != nil {
			t.Errorf("transfer %d: %v", i, err)
		}
	}
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestMapped: a socket of IPv6 that has a connection of IPv4.
func TestMapped(t *testing.T) {
	c := Lay(t)
	c.Patience(t, lossless)
	a, b := c.connect(t, netip.IPv6Unspecified(), c.B.V4)
	c.Arm(t, aes128, a, b)
	pass(t, a, b, sizes...)
	pass(t, b, a, sizes...)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"tx_tls_encrypted_bytes": sealed(sizes), "rx_tls_decrypted_bytes": sealed(sizes), "rx_tls_ooo": 0})
}

// TestUnload: both cards go with their driver, under open connections.
func TestUnload(t *testing.T) {
	c := Lay(t)
	a, b := c.Pair(t, aes128)
	pass(t, a, b, sizes...)
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		io.CopyN(a, endless{}, 1<<30) // until it is closed
	}()
	_, err := io.CopyN(io.Discard, b, 100_000)
	must(t, err)
	c.Unload(t)
	for _, conn := range []*net.TCPConn{a, b} {
		must(t, conn.SetLinger(0)) // or its end would be sent for minutes
		must(t, conn.Close())
	}
	<-sending
}

// endless is text without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestRecordTypes: alerts, and application data of no length, are records like others to the card.
func TestRecordTypes(t *testing.T) {
	c := Lay(t)
	a, b := c.Pair(t, aes128)
	records := []struct {
		typ  raw.ContentType
		text []byte
	}{{raw.ContentType(21), []byte{1, 90}}, {raw.ContentType(23), text(100, 1)}, {raw.ContentType(22), text(50, 2)}}
	for _, r := range records {
		_, err := raw.SendRecord(a, r.typ, r.text, 0)
		must(t, err)
		got := make([]byte, 200)
		n, typ, err := raw.RecvRecord(b, got, 0)
		must(t, err)
		if typ != r.typ || !bytes.Equal(got[:n], r.text) {
			t.Errorf("sent %v of %d bytes, received %v of %d", r.typ, len(r.text), typ, n)
		}
	}
	want := sealed([]int{2, 100, 50})
	counts(t, "A", c.A.Counters(t), map[string]uint64{"tx_tls_encrypted_bytes": want})
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_decrypted_bytes": want})
}

// TestSmallBuffers: records reach TCP in parts, because there is no room for all of them.
func TestSmallBuffers(t *testing.T) {
	c := Lay(t)
	c.Patience(t, 200*time.Millisecond) // as usual: a full socket drops packets, several times if its reader is slow
	a, b := c.Connect(t, false)
	must(t, a.SetWriteBuffer(8192))
	must(t, b.SetReadBuffer(4096))
	c.Arm(t, aes128, a, b)
	pass(t, a, b, 300_000)
	positive(t, "A", c.A.Counters(t), "tx_tls_encrypted_packets")
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestZeroCopy: sendfile without a copy, where the card reads the file's own pages (TLS_TX_ZEROCOPY_RO).
func TestZeroCopy(t *testing.T) {
	const zeroCopyRO = 3
	c := Lay(t)
	a, b := c.Pair(t, aes128)
	raw, err := a.SyscallConn()
	must(t, err)
	var set error
	must(t, raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_TLS, zeroCopyRO, 1) }))
	must(t, set)
	name := t.TempDir() + "/file"
	want := text(200_000, 3)
	must(t, os.WriteFile(name, want, 0o600))
	sendFile(t, a, b, name, want)
	positive(t, "A", c.A.Counters(t), "tx_tls_encrypted_packets")
}
