package tlsnic

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// What the card does by itself, without anything else of ktlstop.

// overhead is what TLS 1.2 with AES-GCM adds to a record: header, explicit nonce, tag (RFC 5288).
const overhead = 5 + 8 + 16

// lossless is the patience of TCP in tests that lose no packet, and count those that are sent again.
const lossless = time.Minute

// sizes are of messages, none above a record: the shortest, below and above a packet, and the longest.
var sizes = []int{1, 15, 16, 17, 100, 1400, 1448, 5000, 16383, 16384}

// text is n bytes of which no two pieces at different places are alike for long.
func text(n, seed int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// pass sends messages from one end to the other and compares. Each waits for the last: so none is in one packet with
// another.
func pass(t *testing.T, from, to *net.TCPConn, sizes ...int) {
	t.Helper()
	for i, n := range sizes {
		want := text(n, i)
		if err := sendAndReceive(from, to, want); err != nil {
			t.Fatalf("message %d of %d bytes: %v", i, n, err)
		}
	}
}

func sendAndReceive(from, to *net.TCPConn, want []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(want)
		sent <- err
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(to, got); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if err := <-sent; err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		return fmt.Errorf("what arrived differs from byte %d of %d on", i, len(want))
	}
	return nil
}

// sealed is how many bytes of TCP some messages are as a record each.
func sealed(sizes []int) (n uint64) {
	for _, size := range sizes {
		n += uint64(size + overhead)
	}
	return n
}

// counts compares counters with what they must be.
func counts(t *testing.T, who string, got, want map[string]uint64) {
	t.Helper()
	for name, n := range want {
		if value, ok := got[name]; !ok || value != n {
			t.Errorf("%s: %s is %d (known: %v), want %d", who, name, value, ok, n)
		}
	}
}

// since is how much counters have grown.
func since(before, now map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for name, n := range now {
		grown[name] = n - before[name]
	}
	return grown
}

func settings() map[string]Setting {
	all := map[string]Setting{}
	for _, c := range []raw.Cipher{raw.AES128GCM, raw.AES256GCM} {
		for name, v6 := range map[string]bool{"IPv4": false, "IPv6": true} {
			all[c.String()+" "+name] = Setting{Cipher: c, V6: v6}
		}
	}
	return all
}

// TestSealAndOpen: both cards do all of the work, in both directions, to the byte.
func TestSealAndOpen(t *testing.T) {
	c := Lay(t)
	c.Patience(t, lossless)
	for name, s := range settings() {
		t.Run(name, func(t *testing.T) {
			before := map[*End]map[string]uint64{c.A: c.A.Counters(t), c.B: c.B.Counters(t)}
			a, b := c.Pair(t, s)
			pass(t, a, b, sizes...)
			pass(t, b, a, sizes...)
			for e, before := range before {
				counts(t, e.Name, since(before, e.Counters(t)), map[string]uint64{
					"tx_tls_ctx": 1, "rx_tls_ctx": 1, "tx_tls_encrypted_bytes": sealed(sizes), "rx_tls_decrypted_bytes": sealed(sizes),
					"tx_tls_fallback_packets": 0, "rx_tls_ooo": 0, "rx_tls_err": 0, "no_memory": 0,
				})
			}
		})
	}
	n := uint64(len(settings()))
	for _, e := range []*End{c.A, c.B} {
		counts(t, e.Name, e.Stat(t), map[string]uint64{"TlsTxDevice": n, "TlsRxDevice": n, "TlsTxSw": 0, "TlsRxSw": 0, "TlsDecryptError": 0})
	}
}

// gcm is Go's own AES-GCM of the same keys, and its nonce's salt.
func gcm(t *testing.T, info *raw.CryptoInfo) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(info.Key)
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	return aead
}

// additional is the data that a record's tag covers besides its text (RFC 5246, 6.2.3.3).
func additional(seq uint64, typ byte, n int) []byte {
	b := binary.BigEndian.AppendUint64(nil, seq)
	return binary.BigEndian.AppendUint16(append(b, typ, 3, 3), uint16(n))
}

// TestSealsAsGo: a receiver that knows nothing of kernel TLS opens what the card sealed.
func TestSealsAsGo(t *testing.T) {
	c := Lay(t)
	c.Patience(t, lossless)
	for name, s := range settings() {
		t.Run(name, func(t *testing.T) {
			before := c.A.Counters(t)
			a, b := c.Connect(t, s.V6)
			info, _ := s.Keys()
			must(t, raw.Enable(a, info, nil))
			aead := gcm(t, info)
			for i, n := range sizes {
				want := text(n, i)
				_, err := a.Write(want)
				must(t, err)
				record := make([]byte, n+overhead)
				_, err = io.ReadFull(b, record)
				must(t, err)
				if !bytes.Equal(record[:5], []byte{23, 3, 3, byte((n + 24) >> 8), byte(n + 24)}) {
					t.Fatalf("record %d of %d bytes begins with % x", i, n, record[:5])
				}
				nonce := append(bytes.Clone(info.Salt), record[5:13]...)
				got, err := aead.Open(nil, nonce, record[13:], additional(uint64(i), 23, n))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("record %d of %d bytes: %v", i, n, err)
				}
			}
			counts(t, "A", since(before, c.A.Counters(t)), map[string]uint64{"tx_tls_encrypted_bytes": sealed(sizes), "tx_tls_fallback_packets": 0})
		})
	}
}

// TestOpensAsGo: the card opens what Go sealed, also records of odd pieces, and a record in many packets.
func TestOpensAsGo(t *testing.T) {
	c := Lay(t)
	for name, s := range settings() {
		t.Run(name, func(t *testing.T) {
			before := c.B.Counters(t)
			a, b := c.Connect(t, s.V6)
			must(t, a.SetNoDelay(true))
			info, _ := s.Keys()
			must(t, raw.Enable(b, nil, info))
			aead := gcm(t, info)
			for i, n := range sizes {
				want := text(n, i)
				nonce := append(bytes.Clone(info.Salt), binary.BigEndian.AppendUint64(nil, uint64(1000+i))...)
				record := append([]byte{23, 3, 3, byte((n + 24) >> 8), byte(n + 24)}, nonce[4:]...)
				record = aead.Seal(record, nonce, want, additional(uint64(i), 23, n))
				for piece := 1 + i; len(record) > 0; piece = piece*3 + 1 {
					k := min(piece, len(record))
					_, err := a.Write(record[:k])
					must(t, err)
					record = record[k:]
				}
				got := make([]byte, n)
				_, err := io.ReadFull(b, got)
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Fatalf("record %d of %d bytes came out otherwise", i, n)
				}
			}
			counts(t, "B", since(before, c.B.Counters(t)), map[string]uint64{"rx_tls_decrypted_bytes": sealed(sizes), "rx_tls_err": 0})
		})
	}
}

// TestLargeSends: a megabyte in writes and by sendfile, with large packets (TSO) and without.
func TestLargeSends(t *testing.T) {
	const size = 1 << 20
	name := t.TempDir() + "/file"
	must(t, os.WriteFile(name, text(size, 1), 0o600))
	for _, tso := range []bool{true, false} {
		t.Run(fmt.Sprintf("TSO %v", tso), func(t *testing.T) {
			c := Lay(t)
			c.A.Feature(t, TSO, tso)
			a, b := c.Pair(t, Setting{Cipher: raw.AES128GCM})
			pass(t, a, b, size)
			sendFile(t, a, b, name, text(size, 1))
			got := c.A.Counters(t)
			if got["tx_tls_encrypted_bytes"] < 2*size || got["tx_tls_encrypted_packets"] < 2*size/1500 {
				t.Errorf("the card sealed %d bytes in %d packets only", got["tx_tls_encrypted_bytes"], got["tx_tls_encrypted_packets"])
			}
			counts(t, "B", c.B.Stat(t), map[string]uint64{"TlsDecryptError": 0})
			if got := c.B.Counters(t)["rx_tls_decrypted_bytes"]; got < size {
				t.Errorf("the card opened %d bytes only", got)
			}
		})
	}
}

func sendFile(t *testing.T, from, to *net.TCPConn, name string, want []byte) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	sent := make(chan error, 1)
	go func() {
		// Asked for more than there is, sendfile before Linux 6.5 leaves the last record open.
		_, err := from.ReadFrom(io.LimitReader(f, int64(len(want))))
		sent <- err
	}()
	got := make([]byte, len(want))
	_, err = io.ReadFull(to, got)
	must(t, err)
	must(t, <-sent)
	if !bytes.Equal(got, want) {
		t.Fatal("the file came out otherwise")
	}
}
