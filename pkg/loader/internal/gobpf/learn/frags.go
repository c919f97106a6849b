//go:build gobpf

package learn

import (
	"bytes"
	"fmt"
)

// frags says where an skb has the beginning and size of its data, and where the
// fragments are after the data.
type frags struct{ head, end, frags int }

// sampleFrags examines a partly read record: the kernel keeps its skb.
func (n *learner) sampleFrags(r *receiving, k *connection, plain []byte) error {
	s, err := n.last(probeOpen)
	if err != nil || n.Layout.Sizes["page"] == 0 {
		return err
	}
	var places []frags
	for i, skb := range s.far {
		if !isKernel(s.after.u64(8 * i)) {
			continue
		}
		for _, head := range skb.pointers() {
			// In every kernel the size precedes the pointer, with or without padding;
			// elsewhere another number with the same value would match too.
			for _, end := range []int{head - 4, head - 8} {
				if size := skb.u32(end); size >= 64 && size <= 65536 && size%8 == 0 {
					places = append(places, n.findFrags(skb, head, end, plain, k)...)
				}
			}
		}
	}
	r.frags.add(places)
	return nil
}

func (n *learner) findFrags(skb memory, head, end int, plain []byte, k *connection) (places []frags) {
	m := n.peek(skb.u64(head)+uint64(skb.u32(end)), 512)
	for at := 0; at+16 <= len(m); at += 8 {
		page, length, offset := m.u64(at), m.u32(at+8), m.u32(at+12)
		if page < n.pages.Structs || !isKernel(page) || length == 0 || length > 65536 || offset > 65536 {
			continue
		}
		addr := n.address(page, int(n.Layout.Sizes["page"])) + uint64(offset+prefix(k.info.Version))
		if bytes.Equal(n.peek(addr, 64), plain[:64]) {
			places = append(places, frags{head, end, at})
		}
	}
	return places
}

func (n *learner) resolveFrags(r *receiving) {
	left := r.frags.remaining
	if len(left) != 1 || r.frags.samples < 2 {
		n.Missing = append(n.Missing, fmt.Sprintf("the fragments of an opened record (%d places): no payload of records received", len(left)))
		return
	}
	n.Layout.Set("sk_buff.head", left[0].head)
	n.Layout.Set("sk_buff.end", left[0].end)
	n.Layout.Set("skb_shared_info.frags", left[0].frags)
	n.Layout.Set("skb_frag.netmem", 0)
	n.Layout.Set("skb_frag.len", 8)
	n.Layout.Set("skb_frag.offset", 12)
	n.Layout.Sizes["skb_frag"] = 16
}
