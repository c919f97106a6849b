package tlsnic

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// What the card and the kernel do when something goes wrong: the data must be right all the same, or an error reported.

var aes128 = Setting{Cipher: raw.AES128GCM}

// smallPackets is a pair of which A sends no large packets, so that a record is in many and faults strike often.
func smallPackets(t *testing.T) *Cable {
	t.Helper()
	c := Lay(t)
	c.A.Feature(t, TSO, false)
	return c
}

// positive checks that something happened at all: how often, TCP's timing decides.
func positive(t *testing.T, who string, got map[string]uint64, names ...string) {
	t.Helper()
	for _, name := range names {
		if got[name] == 0 {
			t.Errorf("%s: %s is 0", who, name)
		}
	}
}

// several is n messages of one size.
func several(n, size int) (sizes []int) {
	for range n {
		sizes = append(sizes, size)
	}
	return sizes
}

// TestDrop: what TCP sends again the kernel has to seal, since the card has gone on; and what comes behind a gap the card
// at the other end cannot open.
func TestDrop(t *testing.T) {
	c := smallPackets(t)
	a, b := c.Pair(t, aes128)
	c.Fault(t, Drop, 0, 20)
	pass(t, a, b, 200_000, 200_000)
	positive(t, "A", c.A.Counters(t), "tx_tls_encrypted_packets", "tx_tls_ooo", "tx_tls_fallback_packets")
	positive(t, "B", c.B.Counters(t), "fault_drop", "rx_tls_decrypted_packets", "rx_tls_ooo", "rx_tls_resync_req_pkt")
	counts(t, "A", c.A.Counters(t), map[string]uint64{"tx_tls_resync_req": 0, "tx_tls_drop_no_sync_data": 0})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestReorder: a packet that another has overtaken.
func TestReorder(t *testing.T) {
	c := smallPackets(t)
	a, b := c.Pair(t, aes128)
	c.Fault(t, Reorder, 0, 20)
	pass(t, a, b, 200_000, 200_000)
	positive(t, "B", c.B.Counters(t), "fault_reorder", "rx_tls_decrypted_packets", "rx_tls_ooo")
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestCorrupt: what changed on the cable is opened by neither, and the reader is reported.
func TestCorrupt(t *testing.T) {
	c := Lay(t)
	c.Patience(t, lossless)
	a, b := c.Pair(t, aes128)
	pass(t, a, b, sizes...)
	c.Fault(t, Corrupt, 0, 1)
	_, err := a.Write(text(100, 1))
	must(t, err)
	if n, err := io.ReadFull(b, make([]byte, 100)); !errors.Is(err, unix.EBADMSG) {
		t.Errorf("read %d bytes, %v, want EBADMSG", n, err)
	}
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_err": 1, "fault_corrupt": 1})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 1})
}

// TestLeave: of records in many packets the card opens a part only. The kernel seals that again, to open all.
func TestLeave(t *testing.T) {
	c := smallPackets(t)
	a, b := c.Pair(t, aes128)
	c.Fault(t, Leave, 0, 3)
	messages := several(20, 16384)
	pass(t, a, b, messages...)
	got := c.B.Counters(t)
	if all, some := sealed(messages), got["rx_tls_decrypted_bytes"]; some < all/3 || some > all*4/5 {
		t.Errorf("the card opened %d of %d bytes, want two thirds", some, all)
	}
	positive(t, "B", got, "fault_leave")
	counts(t, "B", got, map[string]uint64{"rx_tls_err": 0})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestLose: a card that has lost its place asks the kernel about what looks like a record to it, and goes on from there.
func TestLose(t *testing.T) {
	c := Lay(t)
	c.Patience(t, lossless)
	a, b := c.Pair(t, aes128)
	c.Fault(t, Lose, 0, 20)
	pass(t, a, b, several(19, 100)...)
	counts(t, "B", c.B.Counters(t), map[string]uint64{"rx_tls_decrypted_packets": 19, "rx_tls_ooo": 0, "rx_tls_resync_req_pkt": 0})
	pass(t, a, b, several(20, 100)...)
	counts(t, "B", c.B.Counters(t), map[string]uint64{
		"fault_lose": 1, "rx_tls_decrypted_packets": 38, "rx_tls_ooo": 1, "rx_tls_resync_req_pkt": 1, "rx_tls_resync_res_ok": 1, "rx_tls_err": 0,
	})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsRxDeviceResync": 1, "TlsDecryptError": 0})
}

// TestHints: a card that asks nothing is given hints by the kernel after some records that it did not open.
func TestHints(t *testing.T) {
	c := Lay(t, "hints=1")
	// While each record is alone in the queue, the hint of kernels up to 7.3 names the one just read instead of the next,
	// and the card cannot use it.
	a, b := loseFirst(t, c, 100)
	pass(t, a, b, several(20, 100)...)
	got := c.B.Counters(t)
	hints := got["rx_tls_resync_res_ok"] + got["rx_tls_resync_res_skip"]
	if hints == 0 {
		t.Errorf("the kernel gave no hint: %v", got)
	}
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsRxDeviceResync": hints, "TlsDecryptError": 0})

	// Of two records in one packet the kernel hints what follows the second, when it comes to that.
	const two = 20_000
	a, b = loseFirst(t, c, two)
	pass(t, a, b, several(10, two)...)
	positive(t, "B", c.B.Counters(t), "rx_tls_resync_res_ok", "rx_tls_decrypted_packets")
}

// loseFirst makes the receiving card lose its place at once.
func loseFirst(t *testing.T, c *Cable, size int) (a, b *net.TCPConn) {
	t.Helper()
	a, b = c.Pair(t, aes128)
	c.Fault(t, Lose, 0, 1)
	pass(t, a, b, size)
	c.Fault(t, Lose, 0, 0)
	return a, b
}

// TestMiss: a sending card that lacks a packet leaves all behind it to the kernel, and asks where the next record begins.
func TestMiss(t *testing.T) {
	c := smallPackets(t)
	a, b := c.Pair(t, aes128)
	c.Fault(t, Miss, 10, 0)
	pass(t, a, b, 200_000, 200_000)
	c.Fault(t, Miss, 0, 0)
	pass(t, a, b, 16384) // its record gives the place, if one is still wanted
	got := c.A.Counters(t)
	positive(t, "A", got, "fault_miss", "tx_tls_fallback_packets", "tx_tls_resync_req", "tx_tls_resync_ok")
	pass(t, a, b, 16384)
	after := c.A.Counters(t)
	if n := after["tx_tls_encrypted_bytes"] - got["tx_tls_encrypted_bytes"]; n != 16384+overhead {
		t.Errorf("the card sealed %d bytes of the last record, want all %d", n, 16384+overhead)
	}
	counts(t, "A", after, map[string]uint64{"tx_tls_drop_no_sync_data": 0})
	counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
}

// TestKeysLate: records that came before the receiver had its keys are no card's, and it finds its place behind them.
func TestKeysLate(t *testing.T) {
	c := Lay(t)
	a, b := c.Connect(t, false)
	info, _ := aes128.Keys()
	must(t, raw.Enable(a, info, nil))
	for i, n := range sizes[:4] {
		_, err := a.Write(text(n, i))
		must(t, err)
	}
	must(t, raw.Enable(b, nil, info))
	for i, n := range sizes[:4] {
		got := make([]byte, n)
		_, err := io.ReadFull(b, got)
		must(t, err)
		if string(got) != string(text(n, i)) {
			t.Fatalf("record %d came out otherwise", i)
		}
	}
	pass(t, a, b, several(20, 100)...)
	positive(t, "B", c.B.Counters(t), "rx_tls_resync_res_ok", "rx_tls_decrypted_packets")
}
