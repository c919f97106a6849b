package ktls

import "crypto/tls"

// takeOver decides where the records are made from here on. It runs once, between the
// handshake and the first application data.
func (c *Conn) takeOver() error {
	defer c.session.wipe()
	k, started, err := c.intoKernel()
	c.reason = err
	switch {
	case err == nil:
		c.layer = k
		return nil
	case started:
		_ = c.conn.Close() // the kernel seals what is sent now, and nothing opens what comes
		return err
	case c.config.Policy == Require:
		_ = c.tls.Close()
		return err
	}
	c.layer = c.inUserSpace()
	return nil
}

// intoKernel gives the connection to the kernel. Unless started, a failure leaves it as it
// was.
func (c *Conn) intoKernel() (k *kernelLayer, started bool, err error) {
	if c.config.Policy == Never {
		return nil, false, &OffloadError{Op: "prepare handover", Reason: ErrPolicy}
	}
	h, err := newHandover(c.tls.ConnectionState(), c.session, c.hs, c.isClient)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if err != nil {
			h.wipeSecrets()
		}
	}()
	feeder, err := newTicketFeeder(c.tls, c.tickets, h)
	if err != nil {
		return nil, false, err
	}
	attach := newRecordSocket
	if c.config.attach != nil {
		attach = c.config.attach
	}
	sock, err := attach(c.conn)
	if err != nil {
		return nil, false, err
	}
	if started, err := h.install(sock); err != nil {
		return nil, started, err
	}
	return c.overTo(sock, h, feeder), true, nil
}

// overTo makes the layer of a socket that has its keys.
func (c *Conn) overTo(sock recordSocket, h *handover, feeder *ticketFeeder) *kernelLayer {
	k := newKernelLayer(sock, h, c.isClient)
	c.hs.after = deadEnd{}
	if feeder != nil {
		k.tickets, c.hs.after = feeder, feeder
	}
	c.setOptions(sock)
	return k
}

// setOptions sets the options that were asked for. They are hints: a kernel without them
// works as well.
func (c *Conn) setOptions(sock recordSocket) {
	if c.config.NoPad && c.tls.ConnectionState().Version == tls.VersionTLS13 {
		_ = sock.setNoPad(true)
	}
	if c.config.ZeroCopy {
		_ = sock.setZeroCopy(true)
	}
	if c.config.MaxPayload != 0 {
		_ = setMaxPayload(sock, c.tls.ConnectionState().Version, c.config.MaxPayload)
	}
}

// inUserSpace leaves the connection with crypto/tls.
func (c *Conn) inUserSpace() *userLayer {
	w := &patientWriter{Conn: c.conn}
	c.hs.after = w
	return &userLayer{Conn: c.tls, out: w, deadline: c.writeDeadline}
}

// kernel returns the kernel layer, or the reason why there is none.
func (c *Conn) kernel() (*kernelLayer, error) {
	if !c.complete.Load() {
		return nil, &OffloadError{Op: "use kernel TLS", Reason: ErrHandshakePending}
	}
	if k, ok := c.layer.(*kernelLayer); ok {
		return k, nil
	}
	return nil, &OffloadError{Op: "use kernel TLS", Reason: ErrNotOffloaded, Cause: c.reason}
}

// Offload reports for each direction where its records are made and, if that is user space,
// why.
func (c *Conn) Offload() Offload {
	switch k, err := c.kernel(); {
	case err == nil:
		return k.sock.offload()
	case c.decided.Load():
		return notOffloaded(c.reason)
	default:
		return notOffloaded(err)
	}
}

// SetZeroCopy sets TLS_TX_ZEROCOPY_RO (Linux 5.19): sendfile does not copy what a network
// card seals, so the file must not change until the peer has it. It has no effect on
// software TLS. The error is an [*OffloadError].
func (c *Conn) SetZeroCopy(on bool) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return k.sock.setZeroCopy(on)
}

// SetNoPad sets TLS_RX_EXPECT_NO_PAD (Linux 6.0): records are opened straight into the
// reader's memory, on the expectation that the peer does not pad them. One that is padded
// is opened twice. It is for TLS 1.3; the error is an [*OffloadError].
func (c *Conn) SetNoPad(on bool) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return k.sock.setNoPad(on)
}

// deadEnd is what crypto/tls reads from and writes to when the kernel has the connection
// and no tickets are wanted: nothing.
type deadEnd struct{}

func (deadEnd) Read([]byte) (int, error)    { return 0, errShutdown }
func (deadEnd) Write(p []byte) (int, error) { return len(p), nil }
