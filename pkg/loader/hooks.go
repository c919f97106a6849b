//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// hook is one program and the kernel functions it may be attached to.
type hook struct {
	program string
	// group is the name of the group that the kernel loads as a whole.
	group string
	// function is the kernel's, of tls.ko unless vmlinux is set.
	function string
	vmlinux  bool
	// alternative names another hook that does the same on other kernels:
	// one of the two is enough.
	alternative string
	// unless names another hook that makes this one unnecessary.
	unless string
	// without is what the user misses if the hook cannot be attached; empty if the kernel
	// does not need it.
	without string
	// fentryOnly hooks are not used by the gobpf backend.
	fentryOnly bool
	// stage hooks see a record between its beginning and its end, see
	// Config.WithoutStages.
	stage bool
	// withoutStages hooks replace a stage hook if stage hooks are not attached.
	withoutStages bool
	// tracepoint reports that function is the name of a tracepoint.
	tracepoint bool
	// required reports that nothing can be traced without the hook.
	required bool
}

var hooks = []hook{
	{program: "set_ulp", group: groupCookies, function: "tcp_set_ulp", vmlinux: true, fentryOnly: true, without: "socket cookies of new connections are 0, and refusals of TLS are not reported"},
	{program: "sendmsg_enter", group: groupSend, function: "tls_sw_sendmsg", without: "the tx stage queue is unknown"},
	{program: "sendpage_enter", group: groupSend, function: "tls_sw_sendpage"}, // only 6.1 sends pages by a call of their own
	{program: "verdict_enter", group: groupSend, function: "bpf_exec_tx_verdict", stage: true, required: true},
	{program: "push_enter", group: groupSend, function: "tls_push_sg", stage: true, required: true},
	{program: "msg_free", group: groupSend, function: "sk_msg_free", vmlinux: true, fentryOnly: true, required: true},
	{program: "partial_free", group: groupLife, function: "tls_free_partial_record", fentryOnly: true, without: "a record that TCP took in part before the connection ended shows as handed over"},
	{program: "encrypt_done", group: groupAsync, function: "tls_encrypt_done", without: "with asynchronous crypto the stage encrypt ends at the push"},
	{program: "msg_ready", group: groupReceive, function: "tls_rx_msg_ready", alternative: "data_ready", without: "the rx stage wait is unknown"},
	{program: "data_ready", group: groupReceive, function: "tls_data_ready", unless: "msg_ready", alternative: "msg_ready", fentryOnly: true, without: "the rx stage wait is unknown"},
	{program: "abort_strp", group: groupErrors, function: "tls_strp_abort_strp", without: "malformed record headers are not reported"},
	{program: "open_enter", group: groupReceive, function: "tls_rx_one_record", stage: true, required: true},
	{program: "open_exit", group: groupReceive, function: "tls_rx_one_record", required: true},
	{program: "decrypt_done", group: groupAsync, function: "tls_decrypt_done", without: "with asynchronous crypto the stage decrypt and the payload are unknown"},
	{program: "recvmsg_exit", group: groupReceive, function: "tls_sw_recvmsg", required: true},
	{program: "splice_read_exit", group: groupReaders, function: "tls_sw_splice_read", without: "records read by splice show late and without deliver"},
	{program: "read_sock_exit", group: groupReaders, function: "tls_sw_read_sock"},           // 6.6 and later; in-kernel readers have no other way
	{program: "option_get", group: groupCalls, function: "tls_getsockopt", fentryOnly: true}, // err_abort's group says what it costs
	{program: "reset_enter", group: groupCalls, function: "tcp_reset", vmlinux: true, fentryOnly: true, without: "sends that fail since the peer has reset the connection are not reported"},
	{program: "wait_exit", group: groupCalls, function: "sk_stream_wait_memory", vmlinux: true, fentryOnly: true, without: "sends that fail for want of room are not reported"},
	{program: "card_sendmsg_enter", group: groupCards, function: "tls_device_sendmsg", fentryOnly: true},
	{program: "card_sendmsg_exit", group: groupCards, function: "tls_device_sendmsg", fentryOnly: true},
	{program: "card_sendpage_enter", group: groupCards, function: "tls_device_sendpage", fentryOnly: true}, // 6.1
	{program: "card_sendpage_exit", group: groupCards, function: "tls_device_sendpage", fentryOnly: true},
	{program: "card_push_enter", group: groupCardsWhole, function: "tls_push_sg", withoutStages: true, fentryOnly: true, without: "records that a network card seals are not reported"},
	{program: "card_push_exit", group: groupCards, function: "tls_push_sg", fentryOnly: true, without: "of records that a network card seals the tx stage push is unknown"},
	{program: "card_decrypted", group: groupCards, function: "tls_device_decrypted", tracepoint: true, fentryOnly: true},
	{program: "card_rx_resync", group: groupCards, function: "tls_device_rx_resync_send", tracepoint: true, fentryOnly: true},
	{program: "card_tx_resync", group: groupCards, function: "tls_device_tx_resync_req", tracepoint: true, fentryOnly: true},
	{program: "card_rerouted", group: groupCards, function: "tls_validate_xmit_skb", fentryOnly: true},
	{program: "card_down_xmit", group: groupCards, function: "tls_validate_xmit_skb_sw", fentryOnly: true},
	{program: "card_fallback", group: groupCards, function: "tls_encrypt_skb", fentryOnly: true},
	{program: "set_sw_offload", group: groupLife, function: "tls_set_sw_offload", without: "opens and rekeys of connections are not reported"},
	{program: "card_rx_enter", group: groupLife, function: "tls_set_device_offload_rx", fentryOnly: true},
	{program: "card_rx_exit", group: groupLife, function: "tls_set_device_offload_rx", fentryOnly: true},
	{program: "option_set", group: groupLife, function: "tls_setsockopt", fentryOnly: true, without: "that a receiver expects no padding shows with its next key, and keys of network cards with their first record"},
	{program: "release_tx", group: groupLife, function: "tls_sw_release_resources_tx", without: "records that never reached TCP are lost at close"},
	{program: "close_enter", group: groupLife, function: "tls_sk_proto_close", without: "closes are not reported, and closed connections stay in the table"},
	{program: "close_exit", group: groupLife, function: "tls_sk_proto_close"},                // close_enter says what it costs
	{program: "free_tx", group: groupLife, function: "tls_sw_free_ctx_tx", fentryOnly: true}, // ctx_free says what they cost
	{program: "free_rx", group: groupLife, function: "tls_sw_free_ctx_rx", fentryOnly: true},
	{program: "ctx_free", group: groupLife, function: "tls_ctx_free", without: "closes are not reported, and closed connections stay in the table"},
	{program: "err_abort", group: groupErrors, function: "tls_err_abort", without: "errors other than undecipherable records are not reported"},
}

// failuresProgram reports failures that were only counted.
const failuresProgram = "report_failures"

// heldProgram returns what a connection holds back.
const heldProgram = "read_held"

// types looks functions up in the BTF of tls.ko and of the kernel proper.
type types struct {
	tls, vmlinux *btf.Spec
	cache        *btf.Cache // so that loading the programs need not decode them again
}

func loadTypes() (*types, error) {
	cache := btf.NewCache()
	kernel, err := cache.Kernel()
	if err != nil {
		return nil, &UnsupportedError{What: "this kernel has no type information (BTF)",
			Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all distributions' are today", Err: err}
	}
	// A kernel with TLS built in has its functions in vmlinux.
	module, err := cache.Module("tls")
	if err != nil {
		module = kernel
	}
	return &types{module, kernel, cache}, nil
}

// function returns a kernel function's prototype, nil where there is none.
func (t *types) function(name string, vmlinux bool) *btf.FuncProto {
	spec := t.tls
	if vmlinux {
		spec = t.vmlinux
	}
	found, err := spec.AnyTypesByName(name)
	if err != nil {
		return nil
	}
	for _, f := range found {
		if fn, ok := f.(*btf.Func); ok {
			proto, _ := fn.Type.(*btf.FuncProto)
			return proto
		}
	}
	return nil
}

// tracepointType is what the type begins with that the kernel has for each tracepoint.
const tracepointType = "btf_trace_"

// has reports whether this kernel has what a hook is attached to.
func (t *types) has(h *hook) bool {
	if !h.tracepoint {
		return t.function(h.function, h.vmlinux) != nil
	}
	_, err := t.tls.AnyTypesByName(tracepointType + h.function)
	return err == nil
}

func paramIndex(proto *btf.FuncProto, name string) int {
	return slices.IndexFunc(proto.Params, func(p btf.FuncParam) bool { return p.Name == name })
}

// choose splits the hooks into those that this kernel has and, in words, those
// that it lacks. Programs of absent hooks leave the spec.
func choose(spec *ebpf.CollectionSpec, t *types) (present []hook, missing []string, err error) {
	have := map[string]bool{}
	for _, h := range hooks {
		have[h.program] = t.has(&h)
	}
	for _, h := range hooks {
		switch {
		case have[h.program] && !have[h.unless]:
			present = append(present, h)
			continue
		case h.required:
			return nil, nil, missingFunction(h.function)
		case h.without != "" && !have[h.program] && !have[h.alternative]:
			missing = append(missing, h.function+": "+h.without)
		}
		for _, name := range object.Copies(h.program) {
			delete(spec.Programs, name)
		}
	}
	return present, missing, nil
}

// chooseStages drops the hooks between a record's begin and its end where a run does
// without, or else those that stand in for them.
func chooseStages(spec *ebpf.CollectionSpec, present []hook, without bool) []hook {
	return slices.DeleteFunc(present, func(h hook) bool {
		dropped := without && h.stage || !without && h.withoutStages
		for _, name := range object.Copies(h.program) {
			if dropped {
				delete(spec.Programs, name)
			}
		}
		return dropped
	})
}

// setTwins keeps the further copies only where the kernel preempts its own code,
// and that of the hook which looks at plaintext sent only where there is a look.
func setTwins(spec *ebpf.CollectionSpec, preemptible, plaintext bool) error {
	for name := range spec.Programs {
		original := object.Original(name)
		if name != original && (!preemptible || original == "verdict_enter" && !plaintext) {
			delete(spec.Programs, name)
		}
	}
	return errors.Join(object.Set(spec, "preempts", uint32(object.BoolInt(preemptible))),
		object.Set(spec, "verdict_twice", uint32(object.BoolInt(preemptible && plaintext))))
}

// preemptible reports whether a task can lose its processor inside the kernel.
// Where debugfs does not tell, it is assumed: the copies cost little.
func preemptible() bool {
	b, err := os.ReadFile("/sys/kernel/debug/sched/preempt")
	if err != nil {
		return true
	}
	// The present choice stands in parentheses: "none (voluntary) full".
	return !strings.Contains(string(b), "(none)") && !strings.Contains(string(b), "(voluntary)")
}

// attach returns the links of a hook's program and of its copies.
func attach(programs map[string]*ebpf.Program, h hook) (links []link.Link, err error) {
	for _, name := range object.Copies(h.program) {
		prog := programs[name]
		if prog == nil && name == h.program {
			return nil, fmt.Errorf("attach %s: the BPF object has no such program", name)
		}
		if prog == nil {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return links, attachError(name, h.function, err)
		}
		links = append(links, l)
	}
	return links, nil
}

// attachError is an *UnsupportedError where the kernel attaches no program to any function:
// on arm64 it does so in vmlinux and in modules from Linux 6.4 on.
func attachError(program, function string, err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return &UnsupportedError{What: "this kernel takes programs, but attaches none to its functions (" + function + ")",
			Hint: "on arm64 use Linux 6.4 or later with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y, or a build with the gobpf backend", Setting: "Backend", Err: err}
	}
	return fmt.Errorf("attach %s to %s: %w", program, function, err)
}

// setArguments tells the programs where this kernel's functions keep what they
// read: arguments came and went over the years.
func setArguments(spec *ebpf.CollectionSpec, t *types) error {
	var errs []error
	set := func(name string, v int) { errs = append(errs, object.Set(spec, name, uint32(v))) }
	need := func(name, function, param string) {
		p := t.function(function, false)
		if p == nil {
			return
		}
		i := paramIndex(p, param)
		if i < 0 {
			errs = append(errs, &UnsupportedError{What: fmt.Sprintf("this kernel's function %s has no parameter %s", function, param),
				Hint: "docs/kernels.md lists the kernels that are known to work"})
			return
		}
		set(name, i)
	}
	set("ready_by_data", object.BoolInt(t.function("tls_rx_msg_ready", false) == nil))
	set("have_cast", object.BoolInt(t.function("bpf_rdonly_cast", true) != nil))
	need("tx_type_arg", "bpf_exec_tx_verdict", "record_type")
	need("set_tx_arg", "tls_set_sw_offload", "tx")
	if p := t.function("tls_set_sw_offload", false); p != nil {
		set("set_update_arg", max(0, paramIndex(p, "new_crypto_info")))
	}
	if p := t.function("tls_sw_recvmsg", false); p != nil {
		set("recvmsg_args", len(p.Params))
	}
	if p := t.completion(); p != nil {
		set("done_is_req", object.BoolInt(passesRequest(p)))
	}
	return errors.Join(errs...)
}

// completion returns the prototype of what asynchronous crypto calls back, nil
// where neither is to be seen: the two changed together, and a compiler may have
// dissolved one of them.
func (t *types) completion() *btf.FuncProto {
	if p := t.function("tls_encrypt_done", false); p != nil {
		return p
	}
	return t.function("tls_decrypt_done", false)
}

// passesRequest: to 6.2 crypto completions get the request, later the data.
func passesRequest(p *btf.FuncProto) bool {
	if len(p.Params) == 0 {
		return false
	}
	ptr, ok := btf.UnderlyingType(p.Params[0].Type).(*btf.Pointer)
	if !ok {
		return false
	}
	_, ok = btf.UnderlyingType(ptr.Target).(*btf.Struct)
	return ok
}
