package bench

import (
	"context"
	"io"
)

// bySystem is io.Copy, which uses splice(2) between two connections of kernel TLS, as between
// two of TCP.
func bySystem(to io.Writer, from io.Reader) { _, _ = io.Copy(to, from) }

// byProgram reads into a buffer and writes from it.
func byProgram(to io.Writer, from io.Reader) {
	_, _ = io.CopyBuffer(onlyWriter{to}, onlyReader{from}, make([]byte, sendBuffer))
}

// overProxy connects through a proxy, which has a connection to each end and copies from one
// to the other. An error of copying shows at the receiver.
func overProxy(wrap wrapFunc, relay func(to io.Writer, from io.Reader)) func(context.Context, uint16) (*connection, error) {
	connect := overTCP(wrap)
	return func(ctx context.Context, version uint16) (*connection, error) {
		in, err := connect(ctx, version)
		if err != nil {
			return nil, err
		}
		out, err := connect(ctx, version)
		if err != nil {
			in.close()
			return nil, err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			relay(out.sender, in.receiver)
			_ = out.sender.Close()
		}()
		return &connection{
			sender: in.sender, receiver: out.receiver, version: in.version, cipher: in.cipher,
			proxy: func() {
				in.receiver.Close()
				out.sender.Close()
				<-done
			},
		}, nil
	}
}
