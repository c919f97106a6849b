package module

import (
	"bytes"
	"debug/elf"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// constantOf relocates one program and returns the constants in it.
func constantsOf(t *testing.T, o *Offsets, program string, settings map[string]uint64) map[int64]bool {
	t.Helper()
	spec, err := object.LoadKprobe()
	if err != nil {
		t.Fatal(err)
	}
	types, err := o.types(spec.Types, settings)
	if err != nil {
		t.Fatal(err)
	}
	p := spec.Programs[program]
	if err := relocate(p, types); err != nil {
		t.Fatal(err)
	}
	constants := map[int64]bool{}
	for _, ins := range p.Instructions {
		constants[ins.Constant] = true
	}
	return constants
}

// Learned offsets replace those that the compiler used.
func TestRelocate(t *testing.T) {
	o := NewOffsets()
	o.Set("msghdr.msg_flags", 7171)
	o.Set("inet_connection_sock.icsk_ulp_data", 7272)
	settings := map[string]uint64{"want_cgroup": 0x1234567890abcdef}
	got := constantsOf(t, o, "tls_sw_sendmsg_enter", settings)
	for _, want := range []int64{7171, 7272, 0x1234567890abcdef} {
		if !got[want] {
			t.Errorf("no constant %d", want)
		}
	}
	if !got[int64(btf.COREBadRelocationSentinel)] {
		t.Error("a field that is unknown is no invalid instruction")
	}
}

// Where the sequences are bytes of the context, and where it points to them.
func TestRelocateFlavour(t *testing.T) {
	for field, sizeof := range map[string]uint32{"cipher_context.rec_seq": 28, "cipher_context___ptr.rec_seq": 0} {
		o := NewOffsets()
		o.Set("tls_context.tx", 500)
		o.Set(field, 0)
		if sizeof != 0 {
			o.Sizes["cipher_context"] = sizeof
		}
		spec, err := object.LoadKprobe()
		if err != nil {
			t.Fatal(err)
		}
		types, err := o.types(spec.Types, nil)
		if err != nil {
			t.Fatal(err)
		}
		var s *btf.Struct
		if err := types.TypeByName("cipher_context", &s); err != nil {
			t.Fatal(err)
		}
		_, isPointer := s.Members[0].Type.(*btf.Pointer)
		if isPointer != (sizeof == 0) || isPointer == (s.Size > 16) {
			t.Errorf("%s: %v of %d bytes", field, s.Members[0].Type, s.Size)
		}
	}
}

func TestTypesOfAnUnknownField(t *testing.T) {
	o := NewOffsets()
	o.Set("tls_context.no_such_field", 8)
	spec, err := object.LoadKprobe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.types(spec.Types, nil); err == nil || !strings.Contains(err.Error(), "tls_context.no_such_field") {
		t.Errorf("got %v", err)
	}
}

// debug/elf, which gobpf uses, reads the object correctly.
func TestWriteObject(t *testing.T) {
	spec, err := object.LoadLearn()
	if err != nil {
		t.Fatal(err)
	}
	b, err := writeObject(spec)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if f.Sections[s.Section].Name != "maps/"+s.Name {
			t.Errorf("symbol %s lies in %s", s.Name, f.Sections[s.Section].Name)
		}
	}
	relocated := 0
	for _, s := range f.Sections {
		if s.Type != elf.SHT_REL {
			continue
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		code, err := f.Sections[s.Info].Data()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(data) > 0; data = data[16:] {
			relocated++
			at := f.ByteOrder.Uint64(data)
			if asm.OpCode(code[at]) != asm.LoadImmOp(asm.DWord) || code[at+1]>>4 != byte(asm.PseudoMapFD) {
				t.Errorf("%s: the instruction at %d loads no map", s.Name, at)
			}
		}
	}
	if len(symbols) != len(spec.Maps) || relocated < len(spec.Programs) {
		t.Errorf("%d symbols, %d relocations", len(symbols), relocated)
	}
}
