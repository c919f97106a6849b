//go:build gobpf

package loader

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/iovisor/gobpf/elf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// plausible is a layout in which everything is known, somewhere.
func plausible() *module.Offsets {
	l := module.NewOffsets()
	for field, at := range map[string]int{
		"sock_common.skc_daddr": 0, "sock_common.skc_rcv_saddr": 4, "sock_common.skc_dport": 12, "sock_common.skc_num": 14,
		"sock_common.skc_family": 16, "sock_common.skc_net": 48, "sock_common.skc_v6_daddr": 56, "sock_common.skc_v6_rcv_saddr": 72,
		"sock_common.skc_cookie": 88, "sock.__sk_common": 0, "net.ns": 0, "ns_common.inum": 152, "inet_connection_sock.icsk_ulp_data": 1200,
		"msghdr.msg_flags": 72, "msghdr.msg_iter": 0, "task_struct.flags": 44, "tls_context.priv_ctx_tx": 40, "tls_context.priv_ctx_rx": 48,
		"tls_context.prot_info": 0, "tls_context.crypto_send": 300, "tls_context.crypto_recv": 360, "tls_context.tx": 60, "tls_context.rx": 90,
		"cipher_context.rec_seq": 0, "tls_sw_context_tx.open_rec": 144, "tls_sw_context_tx.tx_list": 152, "tls_rec.msg_plaintext": 24,
		"tls_rec.list": 0, "sk_msg.sg": 0, "sk_msg_sg.size": 12, "sk_msg_sg.data": 32, "scatterlist.page_link": 0, "scatterlist.offset": 8,
		"scatterlist.length": 12, "strp_msg.full_len": 64, "strp_msg.offset": 68, "tls_msg.control": 76, "tls_decrypt_arg.skb": 8,
		"tls_decrypt_arg.zc": 0, "sk_buff.cb": 0, "sk_skb_cb.strp": 0, "_strp_msg.strp": 0, "sk_skb_cb.tls": 0, "tls_sw_context_rx.strp": 100,
		"tls_strparser.sk": 0, "tls_strparser.msg_ready": 12, "sk_buff.head": 200, "sk_buff.end": 192, "skb_shared_info.frags": 48,
		"skb_frag.netmem": 0, "skb_frag.len": 8, "skb_frag.offset": 12, "socket.sk": 24, "iov_iter.ubuf": 32, "iov_iter.__iov": 32,
		"iov_iter.iov_offset": 24, "iov_iter.iter_type": 16,
	} {
		l.Set(field, at)
	}
	l.Fields["tls_strparser.mark"] = module.Place{Offset: 8, Bits: 8}
	l.Fields["tls_context.tx_conf"] = module.Place{Offset: 24, Bits: 3}
	l.Fields["tls_context.rx_conf"] = module.Place{Offset: 24, Bit: 3, Bits: 3}
	l.Sizes = map[string]uint32{"cipher_context": 28, "scatterlist": 32, "page": 64, "skb_frag": 16}
	l.Enums = map[string]uint64{"iter_type.ITER_UBUF": 0, "iter_type.ITER_IOVEC": 1}
	return l
}

// withoutPayload is a layout of a kernel whose plaintexts were not found.
func withoutPayload() *module.Offsets {
	l := plausible()
	for field := range l.Fields {
		for _, prefix := range []string{"scatterlist.", "sk_msg_sg.data", "skb_", "sk_buff.head", "sk_buff.end", "iov_iter."} {
			if strings.HasPrefix(field, prefix) {
				delete(l.Fields, field)
			}
		}
	}
	l.Sizes = map[string]uint32{"cipher_context": 28}
	l.Enums = nil
	return l
}

func settingsOf(t *testing.T, snaplen uint64, plaintext bool) map[string]uint64 {
	t.Helper()
	s, err := (&Filter{}).constants()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]uint64{"snaplen": snaplen, "plaintext": uint64(object.BoolInt(plaintext)), "tx_type_arg": 3, "set_tx_arg": 1, "set_update_arg": 2, "orig_ax_back": 48,
		"stack_size": 16384, "nr_sendfile": 40, "nr_splice": 275, "nr_uring": 426, "page_offset_base": 0xff11000000000000, "vmemmap_base": 0xffd4000000000000, "page_shift": 12, "tgid": 1} {
		s[name] = v
	}
	return s
}

// The programs that learn fit every kernel as they are.
func TestVerifierOfLearning(t *testing.T) {
	spec, err := object.LoadLearn()
	if err != nil {
		t.Fatal(err)
	}
	loadAndClose(t, spec, module.NewOffsets(), map[string]uint64{"tgid": 1})
}

// TestVerifier loads the programs, attached to nothing, into this kernel.
func TestVerifier(t *testing.T) {
	for _, c := range []struct {
		name    string
		l       *module.Offsets
		snaplen uint64
	}{{"metadata", plausible(), 0}, {"payload", plausible(), 16384}, {"nothing known of payload", withoutPayload(), 0}} {
		t.Run(c.name, func(t *testing.T) {
			spec, err := object.LoadKprobe()
			if err != nil {
				t.Fatal(err)
			}
			loadAndClose(t, spec, c.l, settingsOf(t, c.snaplen, c.l.Sizes["page"] != 0))
		})
	}
}

func loadAndClose(t *testing.T, spec *ebpf.CollectionSpec, o *module.Offsets, settings map[string]uint64) {
	t.Helper()
	m, err := module.Load(spec, o, settings, map[string]elf.SectionParams{"maps/events": {PerfRingBufferPageCount: 1}})
	if err != nil && (os.Geteuid() != 0 || strings.Contains(err.Error(), "not permitted")) {
		t.Skipf("needs root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// gobpf takes probes away that were never there, where debugfs is mounted.
	if err := m.Close(); err != nil && !strings.Contains(err.Error(), "kprobe_events") {
		t.Error(err)
	}
}

// What a Config asks for reaches the room whole, the hooks that it has with all that is
// required of them.
func TestGobpfOptions(t *testing.T) {
	cfg := Config{Snaplen: 64, RingBytes: 1 << 16, PayloadRingBytes: 1 << 17, Aggregate: true,
		Filter: Filter{PIDs: []uint32{7}, Comms: []string{" nginx "}, Port: 443}}
	o, err := gobpfOptions(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if o.Snaplen != 64 || o.BufferBytes != 1<<16+1<<17 || !o.Aggregate || o.Match || !slices.Equal(o.PIDs, cfg.Filter.PIDs) ||
		len(o.Comms) != 1 || o.Comms[0] != event.MakeComm("nginx") || o.Settings["want_port"] != 443 {
		t.Errorf("%+v", o)
	}
	required := 0
	shared := slices.DeleteFunc(slices.Clone(hooks), func(h hook) bool { return h.fentryOnly })
	for i, h := range shared {
		if got := o.Hooks[i]; got.Program != h.program || got.Function != h.function || got.Required != h.required ||
			got.Without != h.without || got.Alternative != h.alternative {
			t.Errorf("%s became %+v", h.program, got)
		}
		if h.required {
			required++
		}
	}
	if len(o.Hooks) != len(shared) || required == 0 {
		t.Errorf("%d hooks of %d", len(o.Hooks), len(shared))
	}
}
