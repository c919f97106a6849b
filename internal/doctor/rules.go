package doctor

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Rule is a conclusion. It is about one of host, process and connection, or about process
// and connection; each function returns nil if the rule does not hold.
type Rule struct {
	// ID is the rule's permanent name: docs/doctor.md explains it.
	ID string
	// Title is its subject.
	Title      string
	host       func(*Facts) *conclusion
	process    func(*Facts, *Process) *conclusion
	connection func(*Facts, *Connection) *conclusion
	// additional: it is reported for a connection besides any other rule.
	additional bool
}

// conclusion is the result of a rule.
type conclusion struct {
	level    Level
	text, do string
}

func conclude(l Level, do, format string, args ...any) *conclusion {
	return &conclusion{l, fmt.Sprintf(format, args...), do}
}

// Rules are all possible conclusions. Of the rules about connections, the first that
// holds is reported: first the kernel's answers, then the choices of the handshake, the
// requests of the process, and its files.
var Rules = slices.Concat(answerRules, handshakeRules, halfRules, serverRules, libraryRules, hostRules)

// is compares an answer of the kernel.
func is(errno uint32, want ...unix.Errno) bool { return slices.Contains(want, unix.Errno(errno)) }

// errnoName is as ENOENT.
func errnoName(errno uint32) string {
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return fmt.Sprintf("error %d", errno)
}
