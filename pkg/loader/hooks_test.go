//go:build !guest

package loader

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

func TestHooksAndPrograms(t *testing.T) {
	spec := objecttest.Object(t)
	named := map[string]bool{}
	for _, h := range hooks {
		p := spec.Programs[h.program]
		if p == nil {
			t.Errorf("hook %s: the object has no such program", h.program)
			continue
		}
		named[h.program] = true
		if p.Type != ebpf.Tracing || p.AttachTo != h.function {
			t.Errorf("hook %s names function %s, the object attaches it to %q as %v", h.program, h.function, p.AttachTo, p.Type)
		}
		for _, name := range object.Copies(h.program) {
			twin := spec.Programs[name]
			if twin != nil && (twin.AttachTo != p.AttachTo || twin.AttachType != p.AttachType) {
				t.Errorf("%s is on %v %s, its copy %s on %v %s", h.program, p.AttachType, p.AttachTo, name, twin.AttachType, twin.AttachTo)
			}
		}
	}
	for name, p := range spec.Programs {
		entry := p.AttachType == ebpf.AttachTraceFEntry || p.AttachType == ebpf.AttachTraceFExit || p.AttachType == ebpf.AttachTraceRawTp
		if entry != named[object.Original(name)] {
			t.Errorf("program %s (%v) and the table hooks do not agree", name, p.AttachType)
		}
	}
	for name, want := range map[string]ebpf.AttachType{inventoryProgram: ebpf.AttachTraceIter, "read_variable": ebpf.AttachNone} {
		if p := spec.Programs[name]; p == nil || p.AttachType != want {
			t.Errorf("program %s is %v, want one of %v", name, p, want)
		}
	}
}

func TestHookTable(t *testing.T) {
	byName := map[string]hook{}
	for _, h := range hooks {
		if _, twice := byName[h.program]; twice {
			t.Errorf("%s is in the table twice", h.program)
		}
		byName[h.program] = h
	}
	for _, h := range hooks {
		if h.required && (h.without != "" || h.alternative != "") {
			t.Errorf("%s is required, so nobody can be without it", h.program)
		}
		if h.alternative != "" && byName[h.alternative].alternative != h.program {
			t.Errorf("%s has the alternative %s, but not the other way round", h.program, h.alternative)
		}
	}
}

// kernel describes a kernel's functions by the names of their parameters.
type kernel map[string][]string

func spec(t *testing.T, k kernel) *btf.Spec {
	t.Helper()
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	request := &btf.Struct{Name: "crypto_async_request", Size: 4, Members: []btf.Member{{Name: "flags", Type: number}}}
	kinds := map[string]btf.Type{"req": &btf.Pointer{Target: request}, "data": &btf.Pointer{Target: &btf.Void{}}}
	all := []btf.Type{number}
	for name, params := range k {
		proto := &btf.FuncProto{Return: number}
		for _, p := range params {
			kind := kinds[p]
			if kind == nil {
				kind = number
			}
			proto.Params = append(proto.Params, btf.FuncParam{Name: p, Type: kind})
		}
		all = append(all, &btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc})
	}
	b, err := btf.NewBuilder(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kernelWithout has every function of the table but some.
func kernelWithout(t *testing.T, functions ...string) *types {
	t.Helper()
	tls, vmlinux := kernel{}, kernel{}
	for _, h := range hooks {
		if slices.Contains(functions, h.function) {
			continue
		}
		if h.tracepoint {
			tls[tracepointType+h.function] = nil
		} else if h.vmlinux {
			vmlinux[h.function] = []string{"sk"}
		} else {
			tls[h.function] = []string{"sk"}
		}
	}
	return &types{tls: spec(t, tls), vmlinux: spec(t, vmlinux)}
}

func TestChooseOnEveryKernel(t *testing.T) {
	s := objecttest.Object(t)
	all := len(s.Programs)
	needless, gone := 0, 0
	for _, h := range hooks {
		if h.unless == "" {
			continue
		}
		needless++
		gone++
		for _, name := range object.Copies(h.program)[1:] {
			if s.Programs[name] != nil {
				gone++
			}
		}
	}
	present, missing, err := choose(s, kernelWithout(t))
	if err != nil || len(missing) != 0 || len(present) != len(hooks)-needless || len(s.Programs) != all-gone {
		t.Errorf("on a kernel with everything: %d present, missing %q, %d of %d programs, %v",
			len(present), missing, len(s.Programs), all, err)
	}
}

// Each hook by itself: what a kernel without its function means.
func TestChooseWithoutOne(t *testing.T) {
	for _, h := range hooks {
		s := objecttest.Object(t)
		present, missing, err := choose(s, kernelWithout(t, h.function))
		if slices.ContainsFunc(hooks, func(same hook) bool { return same.required && same.function == h.function }) {
			var unsupported *UnsupportedError
			if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), h.function) {
				t.Errorf("without %s: %v, want an UnsupportedError that names it", h.function, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("without %s: %v", h.function, err)
		}
		if slices.ContainsFunc(object.Copies(h.program), func(name string) bool { return s.Programs[name] != nil }) || slices.Contains(present, h) {
			t.Errorf("without %s the program %s stays", h.function, h.program)
		}
		var want []string
		for _, same := range hooks {
			if same.function == h.function && same.without != "" && same.alternative == "" {
				want = append(want, h.function+": "+same.without)
			}
		}
		if !slices.Equal(missing, want) {
			t.Errorf("without %s the message is %q, want %q", h.function, missing, want)
		}
	}
}

// Where the kernel does not announce each record, the arrival of data reports it.
func TestChooseUnless(t *testing.T) {
	s := objecttest.Object(t)
	present, missing, err := choose(s, kernelWithout(t, "tls_rx_msg_ready"))
	if err != nil || len(missing) != 0 || s.Programs["data_ready"] == nil ||
		!slices.ContainsFunc(present, func(h hook) bool { return h.program == "data_ready" }) {
		t.Errorf("without tls_rx_msg_ready data_ready is not among the hooks; missing %q, %v", missing, err)
	}
	s = objecttest.Object(t)
	if _, _, err := choose(s, kernelWithout(t)); err != nil || s.Programs["data_ready"] != nil {
		t.Errorf("data_ready is there beside msg_ready; %v", err)
	}
}

func TestChooseWithoutAlternatives(t *testing.T) {
	_, missing, err := choose(objecttest.Object(t), kernelWithout(t, "tls_rx_msg_ready", "tls_data_ready"))
	if err != nil || len(missing) == 0 || !strings.Contains(missing[0], "wait is unknown") {
		t.Errorf("missing %q, %v", missing, err)
	}
}

// A function of the kernel proper is not looked for in tls.ko, nor the other way round.
func TestChooseLooksInTheRightPlace(t *testing.T) {
	right := kernelWithout(t)
	if _, _, err := choose(objecttest.Object(t), &types{tls: right.vmlinux, vmlinux: right.tls}); err == nil {
		t.Error("found the functions of tls.ko in vmlinux")
	}
	empty := spec(t, kernel{"sk_msg_free": {"sk", "msg"}})
	if _, missing, err := choose(objecttest.Object(t), &types{tls: right.tls, vmlinux: empty}); err != nil || len(missing) != 3 {
		t.Errorf("without tcp_set_ulp, tcp_reset and sk_stream_wait_memory: missing %q, %v", missing, err)
	}
}

func TestFunction(t *testing.T) {
	k := &types{tls: objecttest.Object(t).Types, vmlinux: spec(t, kernel{"f": {"a", "b"}})}
	if p := k.function("f", true); p == nil || paramIndex(p, "a") != 0 || paramIndex(p, "b") != 1 || paramIndex(p, "c") != -1 {
		t.Errorf("f is %v", p)
	}
	for _, name := range []string{"f", "conn", "no_such_name"} { // conn is a struct
		if p := k.function(name, false); p != nil {
			t.Errorf("%s is %v, want no function", name, p)
		}
	}
}

func TestSetArguments(t *testing.T) {
	for _, c := range []struct {
		name string
		k    kernel
		want map[string]uint32
	}{
		{"6.1", kernel{
			"bpf_exec_tx_verdict": {"msg", "sk", "full_record", "record_type", "copied", "flags"},
			"tls_set_sw_offload":  {"sk", "ctx", "tx"},
			"tls_encrypt_done":    {"req", "err"},
			"tls_sw_recvmsg":      {"sk", "msg", "len", "flags", "addr_len"},
		}, map[string]uint32{"tx_type_arg": 3, "set_tx_arg": 2, "set_update_arg": 0, "done_is_req": 1, "recvmsg_args": 5, "have_cast": 0}},
		{"6.1 without tls_encrypt_done", kernel{"tls_decrypt_done": {"req", "err"}}, map[string]uint32{"done_is_req": 1}},
		{"6.1 without tls_decrypt_done", kernel{"tls_encrypt_done": {"req", "err"}}, map[string]uint32{"done_is_req": 1}},
		{"6.12 without tls_encrypt_done", kernel{"tls_decrypt_done": {"data", "err"}}, map[string]uint32{"done_is_req": 0}},
		{"6.12", kernel{
			"bpf_exec_tx_verdict": {"msg", "sk", "full_record", "record_type", "copied", "flags"},
			"tls_set_sw_offload":  {"sk", "tx"},
			"tls_encrypt_done":    {"data", "err"},
			"tls_sw_recvmsg":      {"sk", "msg", "len", "flags", "addr_len"},
			"bpf_rdonly_cast":     {"obj__ign", "btf_id__k"},
		}, map[string]uint32{"tx_type_arg": 3, "set_tx_arg": 1, "set_update_arg": 0, "done_is_req": 0, "recvmsg_args": 5, "have_cast": 1}},
		{"7.2", kernel{
			"bpf_exec_tx_verdict": {"msg", "sk", "record_type", "copied", "flags"},
			"tls_set_sw_offload":  {"sk", "tx", "new_crypto_info"},
			"tls_encrypt_done":    {"data", "err"},
			"tls_sw_recvmsg":      {"sk", "msg", "len", "flags"},
		}, map[string]uint32{"tx_type_arg": 2, "set_tx_arg": 1, "set_update_arg": 2, "done_is_req": 0, "recvmsg_args": 4}},
	} {
		s := objecttest.Object(t)
		if err := setArguments(s, &types{tls: spec(t, c.k), vmlinux: spec(t, c.k)}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for name, want := range c.want {
			expectVariable(t, s, c.name, name, want)
		}
	}
}

// TestSetTwins: what is attached twice, and where.
func TestSetTwins(t *testing.T) {
	for _, c := range []struct {
		preemptible, plaintext bool
		want                   []string
	}{
		{false, false, nil}, {false, true, nil}, {true, false, []string{"open_exit"}}, {true, true, []string{"open_exit", "verdict_enter"}},
	} {
		s := objecttest.Object(t)
		if err := setTwins(s, c.preemptible, c.plaintext); err != nil {
			t.Fatal(err)
		}
		var twins []string
		for name := range s.Programs {
			if name != object.Original(name) {
				twins = append(twins, object.Original(name))
			}
		}
		slices.Sort(twins)
		if !slices.Equal(twins, c.want) {
			t.Errorf("preemptible %v, plaintext %v: %v are attached twice, want %v", c.preemptible, c.plaintext, twins, c.want)
		}
		expectVariable(t, s, "verdict_twice", "verdict_twice", uint32(object.BoolInt(len(c.want) == 2)))
	}
}
