//go:build gobpf

package learn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
)

// resolveContext distinguishes what the contexts of both ends have from what only one
// has.
func (n *learner) resolveContext() error {
	a, b := n.found["pair.a"].remaining, n.found["pair.b"].remaining
	both := func(v int) bool { return slices.Contains(a, v) && slices.Contains(b, v) }
	common := slices.DeleteFunc(slices.Clone(a), func(v int) bool { return !both(v) })
	tx, rx := slices.DeleteFunc(slices.Clone(a), both), slices.DeleteFunc(slices.Clone(b), both)
	if len(common) != 1 || len(tx) != 1 || len(rx) != 1 {
		return fmt.Errorf("version and cipher (places %v and %v)", a, b)
	}
	n.Layout.Set("tls_context.prot_info", common[0])
	n.Layout.Set("tls_context.crypto_send", tx[0])
	n.Layout.Set("tls_context.crypto_recv", rx[0])
	return errors.Join(n.resolveConf(), n.resolveSequences())
}

// resolveConf: the modes of the two directions are bitfields of one byte.
func (n *learner) resolveConf() error {
	var places candidates[int]
	places.add(n.found["conf.a"].remaining)
	places.add(n.found["conf.b"].remaining)
	at, ok := places.only()
	if !ok {
		return fmt.Errorf("the modes of a connection (%d places)", len(places.remaining))
	}
	n.Layout.Fields["tls_context.tx_conf"] = module.Place{Offset: uint32(at), Bit: 0, Bits: 3}
	n.Layout.Fields["tls_context.rx_conf"] = module.Place{Offset: uint32(at), Bit: 3, Bits: 3}
	return nil
}

// resolveSequences: bytes of the context, or of memory that it points to.
func (n *learner) resolveSequences() error {
	for _, dir := range []string{"tx", "rx"} {
		if at, ok := n.resolved(dir + ".array"); ok {
			n.Layout.Set("tls_context."+dir, at)
			n.Layout.Set("cipher_context.rec_seq", 0)
			n.Layout.Sizes["cipher_context"] = 28 // more than two pointers: see seq_addr
			continue
		}
		at, ok := n.resolved(dir + ".pointer")
		if !ok {
			return fmt.Errorf("the sequence of %s: %s and %s", dir, n.ambiguity(dir+".array"), n.ambiguity(dir+".pointer"))
		}
		n.Layout.Set("tls_context."+dir, at)
		n.Layout.Set("cipher_context___ptr.rec_seq", 0)
	}
	return nil
}

func (n *learner) context(e *end) uint64 {
	return n.peek(e.sk+uint64(n.Layout.Fields["inet_connection_sock.icsk_ulp_data"].Offset), 8).u64(0)
}
