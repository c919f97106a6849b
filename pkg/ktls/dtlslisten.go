package ktls

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// dtlsListener accepts DTLS connections on one UDP port. Each peer gets a connected socket of
// its own on the same port, as AF_KTLS requires: the kernel then delivers that peer's datagrams
// to it. The listener passes on datagrams that arrived earlier or on its own socket, so none is
// lost.
type dtlsListener struct {
	main    *net.UDPConn
	config  *DTLSConfig
	timeout time.Duration
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	ready   chan *DTLSConn
	slots   chan struct{} // one for each handshake that runs or that nobody has accepted

	mu    sync.Mutex
	peers map[netip.AddrPort]*dtlsWire
	err   error // why it has ended
}

// dtlsHandshakeTimeout is how long a handshake may take where the DTLSConfig sets no limit.
const dtlsHandshakeTimeout = 30 * time.Second

// ListenDTLS announces on addr and accepts DTLS 1.2 connections. network is "udp", "udp4" or
// "udp6". Accept returns a [*DTLSConn] whose handshake is over; one that fails, or takes longer
// than HandshakeTimeout (30 seconds where that is not positive), is dropped. Up to 1,024 handshakes run side
// by side; first messages beyond them are dropped, and their senders try again.
//
// Closing the listener aborts handshakes and does not affect accepted connections.
func ListenDTLS(network, addr string, config *DTLSConfig) (net.Listener, error) {
	if config == nil || len(config.Certificates) == 0 && config.PSK == nil {
		return nil, errNoDTLSIdentity
	}
	main, err := listenShared(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	l := &dtlsListener{main: main, config: config, timeout: config.HandshakeTimeout, ready: make(chan *DTLSConn),
		slots: make(chan struct{}, maxHandshakes), peers: map[netip.AddrPort]*dtlsWire{}}
	if l.timeout <= 0 {
		l.timeout = dtlsHandshakeTimeout
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.wg.Go(l.receiveAll)
	return l, nil
}

var errNoDTLSIdentity = errors.New("ktls: neither Certificates nor PSK is set")

// Addr returns the listener's address.
func (l *dtlsListener) Addr() net.Addr { return l.main.LocalAddr() }

// Accept waits for the next connection that has finished its handshake.
func (l *dtlsListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, &net.OpError{Op: "accept", Net: "udp", Addr: l.Addr(), Err: l.err}
	}
}

// Close stops listening, aborts handshakes and waits for them to end.
func (l *dtlsListener) Close() error {
	err := l.main.Close()
	l.end(net.ErrClosed)
	l.wg.Wait()
	return err
}

// end stops everything for a reason. The first reason counts.
func (l *dtlsListener) end(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.stop()
}

// receiveAll reads the port until the listener is closed.
func (l *dtlsListener) receiveAll() {
	buf := make([]byte, maxDatagram)
	for {
		d, err := receiveFrom(l.main, buf)
		switch {
		case err == nil:
			l.dispatch(d)
		case l.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			l.end(net.ErrClosed)
			return
		case !isTransient(err):
			l.end(err)
			return
		}
	}
}

// datagram is one with its addresses.
type datagram struct {
	peer, local netip.AddrPort // local is where it was sent to
	data        []byte
}

// dispatch passes a datagram to its connection, or begins one.
func (l *dtlsListener) dispatch(d datagram) {
	l.mu.Lock()
	w := l.peers[d.peer]
	l.mu.Unlock()
	if w != nil {
		w.put(d.data)
		return
	}
	if !isClientHello(d.data) {
		return
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return
	}
	if !l.begin(d) {
		<-l.slots
	}
}

// isClientHello recognises the first message of a handshake: a handshake record of epoch 0 with
// a ClientHello in it (RFC 6347, section 4.2.2).
func isClientHello(datagram []byte) bool {
	rec, _ := cutRecord(datagram)
	return rec != nil && rec.typ() == raw.TypeHandshake && rec.epoch() == 0 && len(rec.body()) > 0 && rec.body()[0] == 1
}

// begin makes the connected socket of a new peer and starts its handshake. Datagrams that
// reached the socket before it was connected may be from any peer, and are dispatched like all
// others.
func (l *dtlsListener) begin(d datagram) bool {
	udp, strays, err := connectShared(l.main, d)
	if err != nil {
		return false // the peer tries again
	}
	w := newDTLSWire(udp, udp.RemoteAddr())
	w.put(d.data)
	l.mu.Lock()
	l.peers[d.peer] = w
	l.mu.Unlock()
	for _, stray := range strays {
		l.dispatch(stray)
	}
	l.wg.Go(func() { l.handshake(w, d.peer) })
	return true
}

// handshake makes a connection and offers it to Accept.
func (l *dtlsListener) handshake(w *dtlsWire, peer netip.AddrPort) {
	defer func() { <-l.slots }()
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	forget := func() { l.forget(peer, w) }
	c, err := startDTLS(ctx, w, l.config, false, forget)
	if err != nil {
		forget()
		return
	}
	select {
	case l.ready <- c:
	case <-l.ctx.Done():
		_ = c.Close()
	}
}

func (l *dtlsListener) forget(peer netip.AddrPort, w *dtlsWire) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[peer] == w {
		delete(l.peers, peer)
	}
}
