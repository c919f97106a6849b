package afktls

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// TestOldOptions: the options of 2016, a key in three parts, in each order; each part can be read
// back.
func TestOldOptions(t *testing.T) {
	load(t)
	type part struct {
		set, get int
		value    []byte
	}
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
				ua, ub := udpPair(t, unix.AF_INET)
				a, b := attached(t, unix.SOCK_DGRAM, c.id, ua), attached(t, unix.SOCK_DGRAM, c.id, ub)
				s := newSecret(c.id)
				tx := []part{{setIVSend, getIVSend, be64(s.next)}, {setKeySend, getKeySend, s.key}, {setSaltSend, getSaltSend, s.salt}}
				rx := []part{{setIVRecv, getIVRecv, be64(s.next)}, {setKeyRecv, getKeyRecv, s.key}, {setSaltRecv, getSaltRecv, s.salt}}
				_, err := unix.SendmsgN(a, []byte("too early"), nil, nil, 0)
				wantErrno(t, "send without a key", err, unix.ENOKEY)
				for _, i := range order {
					_, err := getOption(a, solKTLS, tx[i].get, 64)
					wantErrno(t, "a part that was not set", err, unix.ENOKEY)
					check(t, "set", setOption(a, solKTLS, tx[i].set, tx[i].value))
					check(t, "set", setOption(b, solKTLS, rx[i].set, rx[i].value))
				}
				for i := range tx {
					for fd, p := range map[int]part{a: tx[i], b: rx[i]} {
						if got := must(getOption(fd, solKTLS, p.get, 64))(t); string(got) != string(p.value) {
							t.Errorf("option %d: % x, want % x", p.get, got, p.value)
						}
					}
				}
				send(t, a, []byte("by parts"), 0)
				wantRecv(t, b, []byte("by parts"))
			}
		})
	}
}

// TestNewOptionReads: KTLS_TX and KTLS_RX return the key with its current number, in the form that
// sets it.
func TestNewOptionReads(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			ua, ub := udpPair(t, unix.AF_INET)
			a, b := attached(t, unix.SOCK_DGRAM, 0, ua), attached(t, unix.SOCK_DGRAM, 0, ub)
			_, err := getOption(a, solKTLS, optTX, 64)
			wantErrno(t, "no key", err, unix.ENOKEY)
			s := newSecret(c.id)
			setTX(t, a, s)
			setRX(t, b, s)
			for range 3 {
				send(t, a, []byte("count"), 0)
				wantRecv(t, b, []byte("count"))
			}
			s.next += 3
			want := s.info(dtls12)
			if c.id != chacha {
				copy(want[4:], be64(s.next))
			}
			for fd, name := range map[int]int{a: optTX, b: optRX} {
				if got := must(getOption(fd, solKTLS, name, 64))(t); string(got) != string(want) {
					t.Errorf("option %d: % x, want % x", name, got, want)
				}
			}
		})
	}
}

// TestCipherByKey: if a socket is bound without a cipher, the first accepted key chooses it, and a
// refused one does not.
func TestCipherByKey(t *testing.T) {
	load(t)
	udp, _ := udpPair(t, unix.AF_INET)
	k := attached(t, unix.SOCK_DGRAM, 0, udp)
	wantErrno(t, "a part before the cipher", setOption(k, solKTLS, setKeySend, make([]byte, 16)), unix.EINVAL)
	gcm := newSecret(aes128)
	bad := gcm.info(dtls12)
	wantErrno(t, "a short key", setOption(k, solKTLS, optTX, bad[:len(bad)-1]), unix.EINVAL)
	wantErrno(t, "TLS 1.2's version", setOption(k, solKTLS, optTX, gcm.info(0x0303)), unix.EINVAL)
	setTX(t, k, newSecret(chacha))
	wantErrno(t, "another cipher", setOption(k, solKTLS, optRX, gcm.info(dtls12)), unix.EINVAL)
	setRX(t, k, newSecret(chacha))
}

// TestCounterNeverBack: the number of a record is its nonce, so it must not be used again, with any
// key.
func TestCounterNeverBack(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	for range 3 {
		send(t, b.k, []byte("x"), 0)
	}
	wantErrno(t, "IV_SEND backwards", setOption(b.k, solKTLS, setIVSend, be64(epoch1+3)), unix.EINVAL)
	s := newSecret(aes128)
	s.next = epoch1 + 3
	wantErrno(t, "a new key with old numbers", setOption(b.k, solKTLS, optTX, s.info(dtls12)), unix.EINVAL)
	check(t, "IV_SEND where it is", setOption(b.k, solKTLS, setIVSend, be64(epoch1+4)))
	check(t, "IV_SEND forward", setOption(b.k, solKTLS, setIVSend, be64(epoch1+10)))
	send(t, b.k, []byte("y"), 0)
	check(t, "a salt alone", setOption(b.k, solKTLS, setSaltSend, random(4)))
	if got := counter(t, b.k, getIVSend); got != epoch1+11 {
		t.Errorf("after a change of the salt alone the next number is %#x", got)
	}
	b.write(t, 50, "z")
	wantRecv(t, b.k, []byte("z"))
	wantErrno(t, "IV_RECV backwards", setOption(b.k, solKTLS, setIVRecv, be64(epoch1+50)), unix.EINVAL)
	seen := map[uint64]bool{}
	for range 4 {
		num := binary.BigEndian.Uint64(recv(t, b.wire)[3:])
		if seen[num] {
			t.Errorf("number %#x was on the wire twice", num)
		}
		seen[num] = true
	}
}

// TestUsedUpBySend: a record that UDP refuses has used up its number all the same.
func TestUsedUpBySend(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	check(t, "MTU", setOption(b.k, solKTLS, setMTU, binary.NativeEndian.AppendUint32(nil, 65507)))
	check(t, "SO_SNDBUF", unix.SetsockoptInt(b.k, unix.SOL_SOCKET, unix.SO_SNDBUF, 1))
	_, err := unix.SendmsgN(b.k, random(16000), nil, nil, unix.MSG_DONTWAIT)
	got := counter(t, b.k, getIVSend)
	if err == nil {
		recv(t, b.wire)
	}
	if got != epoch1+2 {
		t.Errorf("after a send (%v) the next number is %#x", err, got)
	}
}

// TestExhausted: no number follows the last one; a new key is needed.
func TestExhausted(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			udp, wire := udpPair(t, unix.AF_INET)
			k := attached(t, unix.SOCK_DGRAM, c.id, udp)
			s := newSecret(c.id)
			s.next = 2<<48 - 2
			setTX(t, k, s)
			send(t, k, []byte("last"), 0)
			if got := s.open(t, recv(t, wire)); got[0].num != s.next {
				t.Errorf("sent %+v", got)
			}
			for range 2 {
				_, err := unix.SendmsgN(k, []byte("one more"), nil, nil, 0)
				wantErrno(t, "send", err, unix.EKEYEXPIRED)
			}
			wantNothing(t, wire)
			s = newSecret(c.id)
			s.next = 2 << 48
			setTX(t, k, s)
			send(t, k, []byte("next epoch"), 0)
			if got := s.open(t, recv(t, wire)); got[0].num != 2<<48 || got[0].plain != "next epoch" {
				t.Errorf("sent %+v", got)
			}
		})
	}
}

// TestNextEpoch: a new key in either direction during traffic; late records of the old epoch are
// left to user space.
func TestNextEpoch(t *testing.T) {
	load(t)
	b := newBench(t, aes256)
	b.write(t, 1, "old")
	wantRecv(t, b.k, []byte("old"))
	early := newSecret(aes256)
	early.next = 2 << 48
	record := early.seal(t, 2<<48, appData, []byte("early"))
	send(t, b.wire, record, 0)
	wantNothing(t, b.k)
	setRX(t, b.k, early)
	wantRecv(t, b.k, []byte("early"))
	send(t, b.wire, early.seal(t, 2<<48|1, appData, []byte("new")), 0)
	wantRecv(t, b.k, []byte("new"))
	late := b.rx.seal(t, epoch1|2, appData, []byte("late"))
	send(t, b.wire, late, 0)
	wantNothing(t, b.k)
	wantRecv(t, b.udp, late)
}

// TestExport: after a detach the counters stop, and they can be read to continue, in user space or
// here.
func TestExport(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	for i := range uint64(5) {
		send(t, b.k, fmt.Append(nil, i), 0)
		recv(t, b.wire)
		b.write(t, i+1, "in")
		wantRecv(t, b.k, []byte("in"))
	}
	check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
	b.tx.next, b.rx.next = counter(t, b.k, getIVSend), counter(t, b.k, getIVRecv)
	if b.tx.next != epoch1+6 || b.rx.next != epoch1+6 {
		t.Errorf("exported %#x and %#x", b.tx.next, b.rx.next)
	}
	if got := must(getOption(b.k, solKTLS, getKeySend, 64))(t); string(got) != string(b.tx.key) {
		t.Error("the key is gone")
	}
	_, err := unix.SendmsgN(b.k, []byte("x"), nil, nil, 0)
	wantErrno(t, "send after a detach", err, unix.ENOTCONN)
	again := attached(t, unix.SOCK_DGRAM, 0, b.udp)
	setTX(t, again, b.tx)
	setRX(t, again, b.rx)
	b.k = again
	b.write(t, 6, "goes on")
	wantRecv(t, b.k, []byte("goes on"))
	send(t, b.k, []byte("so it does"), 0)
	if got := b.tx.open(t, recv(t, b.wire)); got[0].num != epoch1+6 || got[0].plain != "so it does" {
		t.Errorf("sent %+v", got)
	}
}

// TestOptionErrors: the errors of each option for invalid values.
func TestOptionErrors(t *testing.T) {
	load(t)
	fresh := socket(t, afKTLS, unix.SOCK_DGRAM)
	udp, _ := udpPair(t, unix.AF_INET)
	k := attached(t, unix.SOCK_DGRAM, aes128, udp)
	sets := []struct {
		name  string
		fd    int
		level int
		opt   int
		value []byte
		want  unix.Errno
	}{
		{"not attached", fresh, solKTLS, setKeySend, make([]byte, 16), unix.ENOTCONN},
		{"detach what is not attached", fresh, solKTLS, unattach, nil, unix.ENOTCONN},
		{"IP option of what is not attached", fresh, unix.SOL_IP, unix.IP_TOS, make([]byte, 4), unix.ENOTCONN},
		{"no such option", k, solKTLS, 99, make([]byte, 4), unix.ENOPROTOOPT},
		{"short IV", k, solKTLS, setIVSend, make([]byte, 7), unix.EBADMSG},
		{"long key", k, solKTLS, setKeyRecv, make([]byte, 32), unix.EBADMSG},
		{"long salt", k, solKTLS, setSaltRecv, make([]byte, 12), unix.EBADMSG},
		{"empty KTLS_TX", k, solKTLS, optTX, nil, unix.EINVAL},
		{"huge KTLS_TX", k, solKTLS, optTX, make([]byte, 4096), unix.EINVAL},
		{"unknown cipher", k, solKTLS, optTX, secret{cipher: 53, key: make([]byte, 16), salt: make([]byte, 4)}.info(dtls12), unix.EINVAL},
		{"small MTU", k, solKTLS, setMTU, binary.NativeEndian.AppendUint32(nil, 37), unix.EINVAL},
		{"large MTU", k, solKTLS, setMTU, binary.NativeEndian.AppendUint64(nil, 65508), unix.EINVAL},
		{"odd MTU", k, solKTLS, setMTU, make([]byte, 3), unix.EINVAL},
		{"cork", k, unix.SOL_UDP, 1, []byte{1, 0, 0, 0}, unix.EOPNOTSUPP},
		{"encapsulation", k, unix.SOL_UDP, 100, []byte{0, 0, 0, 0}, unix.EOPNOTSUPP},
		{"segmentation", k, unix.SOL_UDP, 103, []byte{100, 0, 0, 0}, unix.EOPNOTSUPP},
		{"gro", k, unix.SOL_UDP, 104, []byte{1, 0, 0, 0}, unix.EOPNOTSUPP},
	}
	for _, s := range sets {
		wantErrno(t, s.name, setOption(s.fd, s.level, s.opt, s.value), s.want)
	}
	gets := []struct {
		name string
		fd   int
		opt  int
		size int
		want unix.Errno
	}{
		{"not attached", fresh, getMTU, 4, unix.ENOTCONN},
		{"no key", k, getKeySend, 64, unix.ENOKEY},
		{"no such option", k, 99, 64, unix.ENOPROTOOPT},
		{"short MTU", k, getMTU, 3, unix.EINVAL},
	}
	for _, g := range gets {
		_, err := getOption(g.fd, solKTLS, g.opt, g.size)
		wantErrno(t, "get: "+g.name, err, g.want)
	}
	if _, err := unix.SendmsgN(fresh, []byte("x"), nil, nil, 0); err != unix.ENOTCONN {
		t.Errorf("send, not attached: %v", err)
	}
	_, _, _, _, err := unix.Recvmsg(fresh, make([]byte, 10), nil, 0)
	wantErrno(t, "receive, not attached", err, unix.ENOTCONN)
	_, err = unix.Getsockname(fresh)
	wantErrno(t, "getsockname, not attached", err, unix.ENOTCONN)
}
