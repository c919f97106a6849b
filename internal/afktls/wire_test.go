package afktls

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/unix"
)

// DTLS 1.2's record layer (RFC 6347 4.1) in Go, which the module is compared with.

const headerLen = 13

func (s secret) aead(t testing.TB) cipher.AEAD {
	t.Helper()
	if s.cipher == chacha {
		return must(chacha20poly1305.New(s.key))(t)
	}
	return must(cipher.NewGCM(must(aes.NewCipher(s.key))(t)))(t)
}

func (s secret) explicit() int {
	if s.cipher == chacha {
		return 0
	}
	return 8
}

func (s secret) nonce(num uint64, explicit []byte) []byte {
	if s.cipher != chacha {
		return append(append([]byte{}, s.salt...), explicit...)
	}
	nonce := append([]byte{}, s.salt...)
	for i := range 8 {
		nonce[4+i] ^= byte(num >> (56 - 8*i))
	}
	return nonce
}

func aad(num uint64, kind byte, n int) []byte {
	b := binary.BigEndian.AppendUint64(nil, num)
	b = append(b, kind, dtls12>>8, dtls12&0xff)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// seal makes the record with a number, epoch(16) | sequence(48).
func (s secret) seal(t testing.TB, num uint64, kind byte, plain []byte) []byte {
	t.Helper()
	explicit := binary.BigEndian.AppendUint64(nil, num)[:s.explicit()]
	text := s.aead(t).Seal(explicit, s.nonce(num, explicit), plain, aad(num, kind, len(plain)))
	return append(header(kind, dtls12, num, len(text)), text...)
}

func header(kind byte, version uint16, num uint64, n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	b = binary.BigEndian.AppendUint64(b, num)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// A wireRecord is a record that open returns.
type wireRecord struct {
	kind  byte
	num   uint64
	plain string
}

// open opens all records of a datagram.
func (s secret) open(t testing.TB, datagram []byte) (records []wireRecord) {
	t.Helper()
	for len(datagram) > 0 {
		if len(datagram) < headerLen {
			t.Fatalf("%d bytes are left behind the last record", len(datagram))
		}
		kind, version, num := datagram[0], binary.BigEndian.Uint16(datagram[1:]), binary.BigEndian.Uint64(datagram[3:])
		end := headerLen + int(binary.BigEndian.Uint16(datagram[11:]))
		if version != dtls12 || end > len(datagram) || end < headerLen+s.explicit()+16 {
			t.Fatalf("header % x of a datagram of %d bytes", datagram[:headerLen], len(datagram))
		}
		explicit := datagram[headerLen : headerLen+s.explicit()]
		text := datagram[headerLen+s.explicit() : end]
		plain, err := s.aead(t).Open(nil, s.nonce(num, explicit), text, aad(num, kind, len(text)-16))
		if err != nil {
			t.Fatalf("record %#x: %v", num, err)
		}
		records = append(records, wireRecord{kind, num, string(plain)})
		datagram = datagram[end:]
	}
	return records
}

// A bench is an AF_KTLS socket k on the UDP socket udp, whose peer is a plain UDP socket, wire.
type bench struct {
	k, udp, wire int
	tx, rx       secret // of k
}

func newBench(t testing.TB, cipher uint16) bench {
	t.Helper()
	udp, wire := udpPair(t, unix.AF_INET)
	b := bench{k: attached(t, unix.SOCK_DGRAM, cipher, udp), udp: udp, wire: wire, tx: newSecret(cipher), rx: newSecret(cipher)}
	setTX(t, b.k, b.tx)
	setRX(t, b.k, b.rx)
	return b
}

// write seals an application data record with a sequence of the first epoch, and sends it in a datagram of its own.
func (b bench) write(t testing.TB, seq uint64, plain string) {
	t.Helper()
	send(t, b.wire, b.rx.seal(t, epoch1|seq, appData, []byte(plain)), 0)
}

// TestWireSent: the module sends DTLS 1.2, byte for byte.
func TestWireSent(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			for i, plain := range []string{"", "a", "hello", string(random(5000))} {
				send(t, b.k, []byte(plain), 0)
				got := recv(t, b.wire)
				if want := b.tx.seal(t, epoch1+1+uint64(i), appData, []byte(plain)); string(got) != string(want) {
					t.Fatalf("sent % x, want % x", got, want)
				}
			}
		})
	}
}

// TestWireReceived: values that other implementations may put into a nonce or a number.
func TestWireReceived(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			b.write(t, 1, "first")
			b.write(t, 1<<48-2, "far away")
			wantRecv(t, b.k, []byte("first"))
			wantRecv(t, b.k, []byte("far away"))
			if got := counter(t, b.k, getIVRecv); got != epoch1+1<<48-1 {
				t.Errorf("the next record is %#x", got)
			}
		})
	}
}

// TestForeignNonce: the sender chooses the explicit nonce of AES-GCM (OpenSSL counts from a random
// number).
func TestForeignNonce(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	explicit := random(8)
	plain := []byte("whatever nonce")
	text := b.rx.aead(t).Seal(explicit, append(append([]byte{}, b.rx.salt...), explicit...), plain, aad(epoch1|7, appData, len(plain)))
	send(t, b.wire, append(header(appData, dtls12, epoch1|7, len(text)), text...), 0)
	wantRecv(t, b.k, plain)
}
