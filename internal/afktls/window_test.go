package afktls

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReplay: each record is delivered once; the window has 64 numbers, up to the highest, and
// rejects those from before the key.
func TestReplay(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	steps := []struct {
		seq  uint64
		want bool
	}{
		{0, false}, {1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {3, false}, {0, false},
		{66, true}, {2, false}, {4, true}, {5, true}, {65, true}, {65, false}, {4, false},
		{67, true}, {3, false}, {6, true}, {131, true}, {67, false}, {68, true}, {66, false}, {130, true}, {130, false},
		{1000, true}, {937, true}, {936, false}, {937, false}, {999, true}, {1001, true}, {938, true}, {936, false},
	}
	var refused uint64
	for i, s := range steps {
		plain := fmt.Sprint(i, s.seq)
		b.write(t, s.seq, plain)
		if s.want {
			wantRecv(t, b.k, []byte(plain))
			continue
		}
		refused++
		wantNothing(t, b.k)
	}
	if got := statsOf(t, b.k); got.replays != refused || got.badTags != 0 {
		t.Errorf("counted %+v, want %d replays", got, refused)
	}
}

// TestWindowFromZero: with 0 as the first expected number, the record with number 0 is an ordinary
// one.
func TestWindowFromZero(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	b := bench{k: attached(t, unix.SOCK_DGRAM, 0, udp), udp: udp, wire: wire, rx: newSecret(chacha)}
	b.rx.next = epoch1
	setRX(t, b.k, b.rx)
	b.write(t, 0, "zero")
	wantRecv(t, b.k, []byte("zero"))
	b.write(t, 0, "zero")
	wantNothing(t, b.k)
}

// TestBadTag: a record with a wrong tag is dropped, and does not take the place of the right one in
// the window.
func TestBadTag(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			good := b.rx.seal(t, epoch1|5000, appData, []byte("the right one"))
			var bad uint64
			for i := range good {
				if i >= 1 && i < 5 || i == 11 || i == 12 { // version, epoch and length would make it wrong in another way
					continue
				}
				forged := append([]byte{}, good...)
				forged[i] ^= 0x80
				if i == 0 {
					forged[i] = alertType
				}
				send(t, b.wire, forged, 0)
				bad++
			}
			wantNothing(t, b.k)
			if got := statsOf(t, b.k); got.badTags != bad || got.rxRecords != 0 {
				t.Errorf("counted %+v, want %d bad tags", got, bad)
			}
			send(t, b.wire, good, 0)
			wantRecv(t, b.k, []byte("the right one"))
			b.write(t, 4990, "within the window still")
			wantRecv(t, b.k, []byte("within the window still"))
		})
	}
}
