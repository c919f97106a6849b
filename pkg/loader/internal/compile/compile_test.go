package compile

import (
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/match/matchtest"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

func expression(t *testing.T, text string) *match.Expr {
	t.Helper()
	e, err := match.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// reachable checks what the verifier requires: every instruction can be reached, all
// jumps go forward and stay inside, and the end is an exit.
func reachable(t *testing.T, text string, insns asm.Instructions) {
	t.Helper()
	var raw []int // index of the instruction at each distance, -1 inside of one
	for i := range insns {
		raw = append(raw, i)
		for range insns[i].Width() - 1 {
			raw = append(raw, -1)
		}
	}
	seen := map[int]bool{}
	work := []int{0}
	at := map[int]int{}
	for pos, i := range raw {
		if i >= 0 {
			at[i] = pos
		}
	}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		if i >= len(insns) {
			t.Fatalf("%s: runs off the end", text)
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		op := insns[i].OpCode.JumpOp()
		if op == asm.Exit {
			continue
		}
		if op != asm.InvalidJumpOp && op != asm.Call {
			to := at[i] + 1 + int(insns[i].Offset)
			if insns[i].Offset < 0 || to >= len(raw) || raw[to] < 0 {
				t.Fatalf("%s: instruction %d jumps by %d", text, i, insns[i].Offset)
			}
			work = append(work, raw[to])
		}
		if op != asm.Ja {
			work = append(work, i+1)
		}
	}
	if len(seen) != len(insns) {
		t.Errorf("%s: %d of %d instructions can be reached:\n%v", text, len(seen), len(insns), insns)
	}
}

func TestCompiledCodeIsWhole(t *testing.T) {
	spec := objecttest.Object(t)
	ev, err := layoutOf(spec, "event")
	if err != nil {
		t.Fatal(err)
	}
	look, err := layoutOf(spec, "match_buffer")
	if err != nil {
		t.Fatal(err)
	}
	texts := append(matchtest.Largest(match.MaxPayload, match.MaxDepth), matchtest.Expressions...)
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		texts = append(texts, matchtest.Random(r))
	}
	for _, text := range texts {
		e, err := match.Parse(text)
		if err != nil {
			continue // too long
		}
		for _, compile := range []func() (asm.Instructions, error){
			func() (asm.Instructions, error) { return compileEvent(e, ev) },
			func() (asm.Instructions, error) { return compileSlices(e, look) },
			func() (asm.Instructions, error) { return compileNeedles(e) },
		} {
			insns, err := compile()
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			reachable(t, text, insns)
		}
	}
}

// The code replaces the stubs in every program, and the functions after them stay.
func TestSetMatchReplacesTheStubs(t *testing.T) {
	plain, spec := objecttest.Object(t), objecttest.Object(t)
	if err := Into(spec, expression(t, `len > 4 and payload contains x and payload[0:1] == "y"`)); err != nil {
		t.Fatal(err)
	}
	changed := 0
	for name, p := range spec.Programs {
		before, after := functions(plain.Programs[name].Instructions), functions(p.Instructions)
		if len(before) != len(after) {
			t.Errorf("%s: %d functions, were %d", name, len(after), len(before))
		}
		for f, size := range before {
			stub := f == "match_event" || f == "match_slices" || f == "match_at"
			if stub == (after[f] == size) {
				t.Errorf("%s: %s had %d instructions and has %d", name, f, size, after[f])
			}
			if stub {
				changed++
			}
		}
	}
	if changed == 0 {
		t.Error("no program calls the stubs")
	}
	if err := Into(spec, nil); err != nil {
		t.Error(err)
	}
}

// functions are the sizes of a program's functions.
func functions(insns asm.Instructions) map[string]int {
	sizes := map[string]int{}
	name := ""
	for i := range insns {
		if f := btf.FuncMetadata(&insns[i]); f != nil {
			name = f.Name
		}
		sizes[name]++
	}
	return sizes
}
