package bench

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// way is one way to send a file's bytes.
type way struct {
	name string
	call call
	// connect makes both ends. If the machine cannot, the error is a *ktls.OffloadError.
	connect func(ctx context.Context, version uint16) (*connection, error)
}

// call is the call that sends bytes of the file.
type call int

const (
	byWrite    call = iota // read and write
	bySendfile             // sendfile(2)
	bySplice               // splice(2), from the file into a pipe and from there
)

// The ways. Both ends of a connection do the same. Streams use TCP, and datagrams, from
// "pion/dtls" on, UDP.
var ways = []way{
	{"crypto/tls", byWrite, overTCP(inUserSpace)},
	{"ktls write", byWrite, overTCP(inKernel)},
	{"ktls sendfile", bySendfile, overTCP(inKernel)},
	{"ktls splice", bySplice, overTCP(inKernel)},
	{"af_ktls write", byWrite, familyStream},
	{"af_ktls sendfile", bySendfile, familyStream},
	{"af_ktls splice", bySplice, familyStream},
	{"tcp write", byWrite, overTCP(nil)},
	{"tcp sendfile", bySendfile, overTCP(nil)},
	{"tcp splice", bySplice, overTCP(nil)},
	{"crypto/tls proxy", byWrite, overProxy(inUserSpace, byProgram)},
	{"ktls proxy", byWrite, overProxy(inKernel, byProgram)},
	{"ktls splice proxy", byWrite, overProxy(inKernel, bySystem)},
	{"tcp splice proxy", byWrite, overProxy(nil, bySystem)},
	{"pion/dtls", byWrite, overDTLS(ktls.Never)},
	{"dtls write", byWrite, overDTLS(ktls.Require)},
	{"dtls sendfile", bySendfile, overDTLS(ktls.Require)},
	{"dtls splice", bySplice, overDTLS(ktls.Require)},
	{"udp write", byWrite, plainUDP},
}

// WayNames returns the names of all ways.
func WayNames() (names []string) {
	for _, w := range ways {
		names = append(names, w.name)
	}
	return names
}

func wayNamed(name string) way {
	for _, w := range ways {
		if w.name == name {
			return w
		}
	}
	panic("no way " + name) // Config.Check knows them
}

// StreamWays and DatagramWays are those of TCP and of UDP.
func StreamWays() []string   { return WayNames()[:datagramsFrom()] }
func DatagramWays() []string { return WayNames()[datagramsFrom():] }

func datagramsFrom() int { return slices.Index(WayNames(), "pion/dtls") }

// skipped is why this machine lacks a way.
func skipped(err error) (reason string, ok bool) {
	if off, found := errors.AsType[*ktls.OffloadError](err); found {
		return off.Error(), true
	}
	return "", false
}

// open tries again if the kernel answers that the cipher is still being tested (alg_test),
// which takes a while on a slow machine.
func (w way) open(ctx context.Context, version uint16) (c *connection, err error) {
	for range 10 {
		if c, err = w.connect(ctx, version); !errors.Is(err, unix.ETIMEDOUT) {
			break
		}
	}
	if err == nil {
		c.call = w.call
	}
	return c, err
}
