package doctor

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Rule is a conclusion. Which facts it is about is one of host, process and
// connection, or both of the last two; each returns nil where it does not hold.
type Rule struct {
	// ID is what the rule is called, for ever: docs/doctor.md explains it.
	ID string
	// Title is what it is about.
	Title      string
	host       func(*Facts) *conclusion
	process    func(*Facts, *Process) *conclusion
	connection func(*Facts, *Connection) *conclusion
	// additional: it is told of a connection whatever else is.
	additional bool
}

// conclusion are what a rule says.
type conclusion struct {
	level    Level
	text, do string
}

func conclude(l Level, do, format string, args ...any) *conclusion {
	return &conclusion{l, fmt.Sprintf(format, args...), do}
}

// Rules are all that is ever concluded. Of those about connections the first that holds
// is reported: what the kernel answered, what the handshake chose, what the process asked
// for, what its files say.
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
