package gen

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ownDescriptors is the minimum that a run opens besides its connections: the listener, the
// runtime's epoll, and short-lived files.
const ownDescriptors = 8

// descriptors is the highest number of files that the scenario opens in this process. For a server
// alone that serves any number of connections it is not known.
func (s *Scenario) descriptors() int {
	sockets := 1
	if s.DTLS {
		sockets = 2 // UDP's and AF_KTLS's
	}
	client, server := sockets+s.sourceDescriptors(s.ToServer), sockets+s.sourceDescriptors(s.ToClient)
	if s.Fault == FaultCorrupt {
		client += 5 // the relay's listener, its two connections and the pipe between them
	}
	switch {
	case s.Connect != "":
		return ownDescriptors + s.Connections*client
	case s.Listen != "":
		return ownDescriptors + s.Connections*sockets // the clients' hello says later how to send
	}
	return ownDescriptors + s.Connections*(client+server)
}

// sourceDescriptors are those of one sending end; splice(2) needs a pair of sockets and a pipe.
func (s *Scenario) sourceDescriptors(sends bool) int {
	switch {
	case sends && s.Op == OpSendfile:
		return 1
	case sends && s.Op == OpSplice:
		return 4
	}
	return 0
}

// openNow is the number of files that this process has open, according to /proc.
func openNow() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// checkDescriptors returns an error if the process may not open as many files. The Go runtime has
// raised the soft limit to the hard one.
func (s *Scenario) checkDescriptors() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if need := openNow() + s.descriptors(); uint64(need) > limit.Cur {
		return fmt.Errorf("%d connections need %d open files, and this process may have %d: raise the limit (as root: ulimit -n %d), or make fewer connections",
			s.Connections, need, limit.Cur, need)
	}
	return nil
}

// tooMany adds advice to an error for lack of descriptors.
func tooMany(err error) error {
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%w: raise the limit (as root: ulimit -n), or make fewer connections", err)
	}
	return err
}
