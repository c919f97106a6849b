package gen

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// relay is between one client and the server and can damage a record: a program can
// send nothing but sealed records on a socket with keys.
type relay struct {
	ln     net.Listener
	server string
	tls12  bool          // after ChangeCipherSpec each record is protected
	target atomic.Int64  // the record to damage, counted after the client's Finished; -1 for none
	done   chan struct{} // closed when both ways have ended
	cancel context.CancelFunc
}

func newRelay(ctx context.Context, server string, tls12 bool) (*relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &relay{ln: ln, server: server, tls12: tls12, done: make(chan struct{}), cancel: cancel}
	r.target.Store(-1)
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return r, nil
}

func (r *relay) addr() string { return r.ln.Addr().String() }

// damage makes the relay flip a bit of the record seq records after the client's
// Finished.
func (r *relay) damage(seq uint64) { r.target.Store(int64(seq)) }

// close ends the relay and waits for it.
func (r *relay) close() {
	r.cancel()
	r.ln.Close()
	<-r.done
}

func (r *relay) run(ctx context.Context) {
	client, err := r.ln.Accept()
	if err != nil {
		return
	}
	defer client.Close()
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = r.forward(server, client) // its end is the connection's
		_ = server.(*net.TCPConn).CloseWrite()
	})
	wg.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.(*net.TCPConn).CloseWrite()
	})
	wg.Wait()
}

// forward passes complete records on, and counts the protected ones.
func (r *relay) forward(dst io.Writer, src io.Reader) error {
	const typeCCS, typeData, finished = 20, 23, -1
	record := make([]byte, 5+1<<16)
	changed := false
	for n := int64(finished); ; {
		if _, err := io.ReadFull(src, record[:5]); err != nil {
			return err
		}
		body := record[5 : 5+int(binary.BigEndian.Uint16(record[3:]))]
		if _, err := io.ReadFull(src, body); err != nil {
			return err
		}
		switch {
		case record[0] == typeCCS:
			changed = true
		case record[0] == typeData || r.tls12 && changed:
			if n >= 0 && n == r.target.Load() && len(body) > 0 {
				body[len(body)-1] ^= 1
			}
			n++
		}
		if _, err := dst.Write(record[:5+len(body)]); err != nil {
			return err
		}
	}
}
