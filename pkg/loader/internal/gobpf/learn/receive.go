//go:build gobpf

package learn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// opened is where tls_decrypt_arg points to the skb, and the offset of a field in that
// skb.
type opened struct{ skb, field int }

// receiving collects the samples of learnReceive.
type receiving struct {
	length, offset, control candidates[opened]
	half                    candidates[[2]int] // tls_context.priv_ctx_rx, and strp in it
	frags                   candidates[frags]
}

func (n *learner) learnReceive() error {
	var r receiving
	for i := range samples {
		if err := n.sampleUntilSeen(&r, i); err != nil {
			return err
		}
	}
	if err := n.resolveReceived(&r); err != nil {
		return err
	}
	return errors.Join(n.resolveContext(), n.learnReaders(), n.learnSplice())
}

// errNotSeen: the record may have been delivered by a thread of the kernel, whose calls are not those of this process.
var errNotSeen = errors.New("no function of the kernel says that a record is there")

// sampleUntilSeen tries again where the call that announces a record was not seen: a kernel under load leaves some
// deliveries to ksoftirqd.
func (n *learner) sampleUntilSeen(r *receiving, i int) (err error) {
	for range 5 {
		err = n.withConnection(i, func(k *connection) error { return n.sampleReceive(r, k, i) })
		if !errors.Is(err, errNotSeen) {
			return err
		}
	}
	return err
}

func (n *learner) resolveReceived(r *receiving) error {
	for _, f := range []struct {
		places *candidates[opened]
		outer  string
		field  string
	}{
		{&r.length, "strp_msg.full_len", "length"}, {&r.offset, "strp_msg.offset", "offset"}, {&r.control, "tls_msg.control", "type"},
	} {
		at, ok := f.places.only()
		if !ok {
			return fmt.Errorf("the %s of an opened record (%d places)", f.field, len(f.places.remaining))
		}
		n.Layout.Set(f.outer, at.field)
		n.Layout.Set("tls_decrypt_arg.skb", at.skb)
	}
	for _, zero := range []string{"sk_buff.cb", "sk_skb_cb.strp", "_strp_msg.strp", "sk_skb_cb.tls"} {
		n.Layout.Set(zero, 0)
	}
	at, ok := r.half.only()
	if !ok {
		return fmt.Errorf("the receiving half of a connection (%d places)", len(r.half.remaining))
	}
	n.Layout.Set("tls_context.priv_ctx_rx", at[0])
	n.Layout.Set("tls_sw_context_rx.strp", at[1])
	if err := n.need("tls_strparser.sk", "tls_decrypt_arg.zc", "tls_strparser.mark"); err != nil {
		return err
	}
	mark := n.Layout.Fields["tls_strparser.mark"]
	mark.Bits = 8
	n.Layout.Fields["tls_strparser.mark"] = mark
	n.resolveFrags(r)
	return n.resolveReady()
}

// readyProbe is the function that announces a record; it has had two names.
func (n *learner) ready(k *connection) (*seen, error) {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		for _, probe := range []int{probeReady, probeAnnounce} {
			s, err := n.last(probe)
			if err == nil && len(s.mem[0].find64(k.b.sk)) > 0 {
				return s, nil
			}
		}
		if time.Now().After(end) {
			return nil, errNotSeen
		}
	}
}

// prefix is the length of the part before the plaintext of a record of AES-GCM.
func prefix(version uint16) uint32 {
	if version == tls.VersionTLS12 {
		return 13 // header and explicit nonce
	}
	return 5
}

// outerType is the type in a record's header: TLS 1.3 hides the true type.
func outerType(version uint16, typ byte) byte {
	if version == tls.VersionTLS13 {
		return 23
	}
	return typ
}

// sampleReceive receives two records: one as a whole, one in two parts.
func (n *learner) sampleReceive(r *receiving, k *connection, i int) error {
	if err := n.forget(probeReady, probeAnnounce, probeOpen); err != nil {
		return err
	}
	typ, size := samples[i].typ, 700+51*i
	if err := k.send(typ, pattern(size, byte(30+i))); err != nil {
		return err
	}
	s, err := n.ready(k)
	if err != nil {
		return err
	}
	strp := s.arg[0]
	n.note("tls_strparser.sk", s.mem[0].find64(k.b.sk))
	n.note("tls_strparser.mark", s.mem[0].find8(outerType(k.info.Version, typ)))
	n.note("ready.yes", s.mem[0][:64].find8(1))
	m := n.peek(n.context(k.b), ctxSize)
	var halves [][2]int
	for _, at := range m.pointers() {
		if d := strp - m.u64(at); d < 1024 {
			halves = append(halves, [2]int{at, int(d)})
		}
	}
	r.half.add(halves)
	_, notAnnounced := n.last(probeAnnounce)
	if err := n.forget(probeReady, probeAnnounce); err != nil {
		return err
	}
	if err := n.sampleOpened(r, k, typ, size, size); err != nil {
		return err
	}
	if notAnnounced == nil { // the kernel has the function that checks
		n.note("ready.no", n.peek(strp, 64).find8(0))
	}
	n.sampleContext(k, "b", "rx", n.context(k.b))
	if err := k.send(23, pattern(16384, byte(60+i))); err != nil {
		return err
	}
	if _, err := n.ready(k); err != nil {
		return err
	}
	if err := n.sampleOpened(r, k, 23, 16384, 100); err != nil {
		return err
	}
	return n.sampleFrags(r, k, pattern(16384, byte(60+i)))
}

// sampleOpened receives part of a record and looks for its length, type and place in
// the result of tls_rx_one_record.
func (n *learner) sampleOpened(r *receiving, k *connection, typ byte, size, part int) error {
	if err := k.receive(make([]byte, part)); err != nil {
		return err
	}
	s, err := n.last(probeOpen)
	if err != nil {
		return fmt.Errorf("tls_rx_one_record: %w", err)
	}
	if s.arg[0] != k.b.sk {
		return errors.New("tls_rx_one_record does not get the socket where other kernels do it")
	}
	direct := k.info.Version == tls.VersionTLS12 && typ == 23 && part == size
	n.note("tls_decrypt_arg.zc", s.after[:8].find8(byte(object.BoolInt(direct))))
	var length, offset, control []opened
	for i, skb := range s.far {
		if !isKernel(s.after.u64(8 * i)) {
			continue
		}
		for _, at := range skb.find32(uint32(size)) {
			length = append(length, opened{8 * i, at})
		}
		for _, at := range skb.find32(prefix(k.info.Version)) {
			offset = append(offset, opened{8 * i, at})
		}
		for _, at := range skb.find8(typ) {
			control = append(control, opened{8 * i, at})
		}
	}
	r.length.add(length)
	r.offset.add(offset)
	r.control.add(control)
	return nil
}

// resolveReady: newer kernels call a function that checks whether there is a record.
func (n *learner) resolveReady() error {
	no := n.found["ready.no"]
	if no == nil {
		return nil
	}
	var places candidates[int]
	places.add(n.found["ready.yes"].remaining)
	places.add(no.remaining)
	at, ok := places.only()
	if !ok {
		n.Missing = append(n.Missing, fmt.Sprintf("whether a record is there (%d places): the rx stage wait is unknown", len(places.remaining)))
		return nil
	}
	n.Layout.Set("tls_strparser.msg_ready", at)
	return nil
}
