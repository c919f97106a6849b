// Package probe measures the cost of functions that a BPF program calls on the running
// kernel.
package probe

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// tries is how often a program runs: its time includes any interrupt.
const tries = 30

// ReadKernel is the time of bpf_probe_read_kernel of the given number of bytes in
// nanoseconds, which are instructions under -icount.
func ReadKernel(size int) (float64, error) {
	memory, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(2 * size), MaxEntries: 1})
	if err != nil {
		return 0, fmt.Errorf("make a map to copy in: %w", err)
	}
	defer memory.Close()
	with, err := least(memory, copying(size))
	if err != nil {
		return 0, err
	}
	without, err := least(memory, nil)
	return with - without, err
}

// copying reads the second half of the memory at R6 into the first.
func copying(size int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.Mov.Reg(asm.R3, asm.R6),
		asm.Add.Imm(asm.R3, int32(size)),
		asm.FnProbeReadKernel.Call(),
	}
}

// least is the shortest time that a body takes between two readings of the clock.
func least(memory *ebpf.Map, body asm.Instructions) (float64, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "GPL", Instructions: timed(memory, body)})
	if err != nil {
		return 0, fmt.Errorf("load a program that reads memory: %w", err)
	}
	defer p.Close()
	best := math.Inf(1)
	for range tries {
		took, err := p.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
		if err != nil {
			return 0, fmt.Errorf("run a program that reads memory: %w", err)
		}
		best = min(best, float64(took))
	}
	return best, nil
}

// timed is a program that returns the time of its body, with the map's memory at R6.
func timed(memory *ebpf.Map, body asm.Instructions) asm.Instructions {
	program := asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, memory.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.FnKtimeGetNs.Call(),
		asm.Mov.Reg(asm.R7, asm.R0),
	}
	program = append(program, body...)
	return append(program,
		asm.FnKtimeGetNs.Call(),
		asm.Sub.Reg(asm.R0, asm.R7),
		asm.Return().WithSymbol("end"),
	)
}
