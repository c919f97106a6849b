package ktls

import "time"

// Option changes how connections are made. A [Policy] is one.
type Option interface{ apply(*options) }

type options struct {
	policy   Policy
	noPad    bool
	zeroCopy bool
	payload  int // 0: as the kernel does
	// handshake is how long a listener waits for one; 0 leaves it to the first Read or
	// Write.
	handshake time.Duration
	// attachDTLS is the kernel's, or a test's.
	attachDTLS dtlsAttach
}

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// WithNoPad is [Conn.SetNoPad] at the handover, where the kernel can.
func WithNoPad() Option { return optionFunc(func(o *options) { o.noPad = true }) }

// WithZeroCopy is [Conn.SetZeroCopy] at the handover, where the kernel can.
func WithZeroCopy() Option { return optionFunc(func(o *options) { o.zeroCopy = true }) }

// WithMaxPayload is [Conn.SetMaxPayload] at the handover, where the kernel can.
func WithMaxPayload(n int) Option { return optionFunc(func(o *options) { o.payload = n }) }

func gather(opts []Option) options {
	o := options{attachDTLS: attachDTLS}
	for _, opt := range opts {
		opt.apply(&o)
	}
	return o
}
