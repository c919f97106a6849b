package corpus

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

func build(t *testing.T, types ...btf.Type) *btf.Spec {
	t.Helper()
	return load(t, marshal(t, types...))
}

func marshal(t *testing.T, types ...btf.Type) []byte {
	t.Helper()
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func load(t *testing.T, raw []byte) *btf.Spec {
	t.Helper()
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

var u32 = &btf.Int{Name: "u32", Size: 4}

// The members that the object names keep their offsets, and the others leave only the
// struct's size.
func TestExtract(t *testing.T) {
	other := &btf.Struct{Name: "other", Size: 4, Members: []btf.Member{{Name: "secret", Type: u32}}}
	inner := &btf.Union{Size: 4, Members: []btf.Member{{Name: "wanted", Type: u32}, {Name: "needless", Type: u32}}}
	sock := &btf.Struct{Name: "sock", Size: 20}
	sock.Members = []btf.Member{
		{Name: "first", Type: u32},
		{Type: inner, Offset: 32},
		{Name: "by_value", Type: other, Offset: 64},
		{Name: "next", Type: &btf.Pointer{Target: &btf.Const{Type: sock}}, Offset: 96},
	}
	call := &btf.Func{Name: "tls_call", Linkage: btf.StaticFunc, Type: &btf.FuncProto{Return: u32,
		Params: []btf.FuncParam{{Name: "sk", Type: &btf.Pointer{Target: sock}}, {Name: "o", Type: &btf.Pointer{Target: other}}}}}
	helper := &btf.Func{Name: "bpf_helper", Linkage: btf.StaticFunc, Type: &btf.FuncProto{Return: u32}}
	object := build(t, &btf.Func{Name: "bpf_helper", Linkage: btf.ExternFunc, Type: &btf.FuncProto{Return: u32}},
		&btf.Typedef{Name: "counter_t", Type: u32}, &btf.Struct{Name: "sock___old", Size: 8, Members: []btf.Member{{Name: "wanted", Type: u32}}},
		&btf.Struct{Name: "holder", Size: 8, Members: []btf.Member{{Name: "by_value", Type: u32}, {Name: "next", Type: u32, Offset: 32}}})
	raw, err := Extract([]*btf.Spec{object}, []string{"tls_call", "tls_absent"}, build(t, sock, other, call, helper,
		&btf.Typedef{Name: "counter_t", Type: u32}, &btf.Typedef{Name: "other_t", Type: u32}))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var s *btf.Struct
	if err := spec.TypeByName("sock", &s); err != nil {
		t.Fatal(err)
	}
	if s.Size != 20 || len(s.Members) != 3 {
		t.Fatalf("%+v", s)
	}
	u, _ := s.Members[0].Type.(*btf.Union)
	if u == nil || s.Members[0].Offset != 32 || len(u.Members) != 1 || u.Members[0].Name != "wanted" {
		t.Errorf("the union is %+v", s.Members[0])
	}
	if o, ok := s.Members[1].Type.(*btf.Struct); !ok || o.Size != 4 || len(o.Members) != 0 {
		t.Errorf("the structure that nobody names is %+v", s.Members[1])
	}
	if p, ok := s.Members[2].Type.(*btf.Pointer); !ok || p.Target != btf.Type(s) {
		t.Errorf("the pointer to itself is %+v", s.Members[2])
	}
	var f *btf.Func
	if err := spec.TypeByName("tls_call", &f); err != nil {
		t.Fatal(err)
	}
	params := f.Type.(*btf.FuncProto).Params
	if len(params) != 2 || params[0].Name != "sk" || params[0].Type.(*btf.Pointer).Target != btf.Type(s) {
		t.Errorf("the function's parameters are %+v", params)
	}
	if err := spec.TypeByName("bpf_helper", &f); err != nil {
		t.Errorf("the function that the object calls: %v", err)
	}
	for name, want := range map[string]bool{"counter_t": true, "other_t": false} {
		if _, err := spec.AnyTypesByName(name); (err == nil) != want {
			t.Errorf("the typedef %s: %v", name, err)
		}
	}
	if fwd, ok := params[1].Type.(*btf.Pointer).Target.(*btf.Fwd); !ok || fwd.Name != "other" {
		t.Errorf("the second parameter points to %+v", params[1].Type)
	}
}

// Without the module's functions nothing is written, because it would look like a
// kernel that lacks them all.
func TestExtractWithoutModule(t *testing.T) {
	call := &btf.Func{Name: "tcp_call", Linkage: btf.StaticFunc, Type: &btf.FuncProto{Return: u32}}
	_, err := Extract([]*btf.Spec{build(t, u32)}, []string{"tcp_call", "tls_call"}, build(t, call))
	if err == nil || !strings.Contains(err.Error(), "tls.ko") {
		t.Errorf("without the module: %v", err)
	}
}

// A branch that a constant excludes is not followed, and called functions are.
func TestReachable(t *testing.T) {
	prog := asm.Instructions{
		asm.Mov.Imm(asm.R1, 0),                                       // 0
		asm.JEq.Imm(asm.R1, 0, "over"),                               // 1
		asm.Mov.Imm(asm.R0, 1),                                       // 2: behind a condition that never holds
		asm.LoadMem(asm.R2, asm.R6, 0, asm.DWord).WithSymbol("over"), // 3
		asm.JNE.Imm(asm.R2, 5, "open"),                               // 4: not known
		asm.Mov.Imm(asm.R3, 1),                                       // 5
		asm.Mov.Imm(asm.R3, 2).WithSymbol("open"),                    // 6
		asm.JGT.Imm(asm.R3, 1, "end"),                                // 7: 2 is more than 1, on both ways
		asm.Mov.Imm(asm.R0, 2),                                       // 8
		asm.Call.Label("sub").WithSymbol("end"),                      // 9
		asm.Return(),                                                 // 10
		asm.Mov.Imm(asm.R0, 0).WithSymbol("sub"),                     // 11
		asm.Return(),                                                 // 12
		asm.Return().WithSymbol("nobody"),                            // 13
	}
	resolve(prog)
	got := reachable(prog)
	want := []int{0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12}
	if !slices.Equal(got, want) {
		t.Errorf("reached %v, want %v", got, want)
	}
}

// resolve sets the offsets of jumps, as the compiler's have them.
func resolve(prog asm.Instructions) {
	at := map[string]int{}
	for i, ins := range prog {
		if s := ins.Symbol(); s != "" {
			at[s] = i
		}
	}
	for i := range prog {
		if ref := prog[i].Reference(); ref != "" && !prog[i].IsFunctionCall() {
			prog[i].Offset = int16(at[ref] - i - 1)
			prog[i] = prog[i].WithReference("")
		}
	}
}
