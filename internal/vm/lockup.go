package vm

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// softLockup is what the kernel's watchdog says of a processor whose task has not let go of it for 20 seconds, and
	// again every 20 to 40 (kernel/watchdog.c, watchdog_timer_fn).
	softLockup = regexp.MustCompile(`soft lockup - (CPU#\d+) stuck for \d+s! (\[.*\])`)

	// int3Handler is a breakpoint's handler in a stack. From 6.16 on poke_int3_handler has smp_text_ before its name.
	int3Handler = regexp.MustCompile(`\b(asm_exc_int3|exc_int3|kprobe_int3_handler|(smp_text_)?poke_int3_handler)\+0x`)

	// registers are those of a processor where it was interrupted, RIP among them; codeAtRIP is how its instruction begins.
	registers = regexp.MustCompile(`\bR[A-Z0-9][A-Z0-9]: \S+`)
	codeAtRIP = regexp.MustCompile(`Code: .*<([0-9a-f]{2})> ([0-9a-f]{2})`)

	// patchable begins an instruction that the kernel puts in place of another while it runs: the nops of two and of
	// five bytes, a jump or a call (arch/x86/kernel/alternative.c).
	patchable = regexp.MustCompile(`^(66 90|0f 1f|e[89b] ..)$`)
)

// stackBegin and stackEnd are the first and the last line of a stack; before it stand allRegisters, with RIP.
const (
	stackBegin   = "Call Trace:"
	stackEnd     = "</TASK>"
	allRegisters = 17
)

// A lockup is one report of the watchdog's.
type lockup struct {
	who  string // processor and task
	text string // from the report to the next one
}

// lockups are the reports on a console, from the oldest.
func lockups(console string) (all []lockup) {
	at := softLockup.FindAllStringSubmatchIndex(console, -1)
	for i, m := range at {
		end := len(console)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		all = append(all, lockup{console[m[2]:m[3]] + " " + console[m[4]:m[5]], console[m[0]:end]})
	}
	return all
}

// stack is the report without what follows its stack.
func (l lockup) stack() string {
	text, _, whole := strings.Cut(l.text, stackEnd)
	if whole {
		text += stackEnd
	}
	return strings.TrimSpace(text)
}

// patched is where the processor was interrupted, with its registers, if the kernel may have changed the instruction
// there; else empty.
func (l lockup) patched() string {
	text, _, whole := strings.Cut(l.text, stackBegin)
	all, code := registers.FindAllString(text, -1), codeAtRIP.FindStringSubmatch(text)
	if !whole || len(all) != allRegisters || code == nil || !patchable.MatchString(code[1]+" "+code[2]) {
		return ""
	}
	return strings.Join(all, " ")
}

// hangsInBreakpoint says whether a console shows a processor that meets one and the same breakpoint for ever, because
// it has kept what the kernel has removed. The kernel says of it again and again that it still runs the same task, and
//
//   - a breakpoint's handler is in what is printed of it, or
//   - three times it is at the same instruction with the same registers, and that instruction is one of those that the
//     kernel changes while it runs: it is between two breakpoints, for interrupts are off in the handler. What loops is
//     met in several places, with other registers.
//
// One report is not enough, since a busy host may have stopped the processor. Any other lockup is not the emulator's.
func hangsInBreakpoint(console string) bool {
	all := lockups(console)
	if len(all) == 0 {
		return false
	}
	who := all[len(all)-1].who
	same := slices.DeleteFunc(all, func(l lockup) bool { return l.who != who })
	n := len(same)
	if n >= 2 && (int3Handler.MatchString(same[n-1].text) || int3Handler.MatchString(same[n-2].text)) {
		return true
	}
	if n < 3 {
		return false
	}
	at := same[n-1].patched()
	return at != "" && same[n-2].patched() == at && same[n-3].patched() == at
}
