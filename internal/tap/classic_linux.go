package tap

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInstructions is the kernel's BPF_MAXINSNS.
const maxInstructions = 4096

// ParseClassic reads what tcpdump -ddd prints: the number of instructions, and
// each instruction as four numbers (code, jump if true, jump if false, operand),
// separated by line ends or, as iptables wants it, by commas.
func ParseClassic(text string) ([]unix.SockFilter, error) {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' || r == '\r' })
	if len(lines) == 0 {
		return nil, fmt.Errorf("no packet filter: give the numbers that tcpdump -y EN10MB -ddd EXPRESSION prints")
	}
	count, err := strconv.ParseUint(strings.TrimSpace(lines[0]), 10, 16)
	if err != nil || count == 0 || count > maxInstructions {
		return nil, fmt.Errorf("packet filter: the first number is %q, want how many instructions follow, 1 to %d", lines[0], maxInstructions)
	}
	if lines = lines[1:]; uint64(len(lines)) != count {
		return nil, fmt.Errorf("packet filter: %d instructions follow, and the first number says %d", len(lines), count)
	}
	program := make([]unix.SockFilter, len(lines))
	for i, l := range lines {
		if program[i], err = parseInstruction(l); err != nil {
			return nil, fmt.Errorf("packet filter: instruction %d is %q: %w", i+1, l, err)
		}
	}
	return program, nil
}

func parseInstruction(line string) (f unix.SockFilter, err error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return f, fmt.Errorf("%d numbers, want 4", len(fields))
	}
	var n [4]uint64
	for i, bits := range [4]int{16, 8, 8, 32} {
		if n[i], err = strconv.ParseUint(fields[i], 10, bits); err != nil {
			return f, fmt.Errorf("%q is not a number of %d bits", fields[i], bits)
		}
	}
	return unix.SockFilter{Code: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])}, nil
}
