package bench

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// familyStream connects over loopback and puts stream sockets of AF_KTLS over both ends,
// with keys made here: the module sets up kernel TLS on the TCP socket.
func familyStream(ctx context.Context, version uint16) (*connection, error) {
	client, server, err := tcpPair(ctx)
	if err != nil {
		return nil, err
	}
	there, back := staticKeys(version), staticKeys(version)
	sender, err := newFamilyConn(server, there, back)
	if err != nil {
		client.Close()
		server.Close()
		return nil, err
	}
	receiver, err := newFamilyConn(client, back, there)
	if err != nil {
		client.Close()
		sender.Close()
		return nil, err
	}
	return &connection{sender: sender, receiver: receiver, version: tls.VersionName(version), cipher: tls.CipherSuiteName(tls.TLS_AES_128_GCM_SHA256)}, nil
}

// staticKeys are one direction's.
func staticKeys(version uint16) *raw.CryptoInfo {
	key, salt, iv, _ := raw.AES128GCM.Sizes()
	info := &raw.CryptoInfo{Version: version, Cipher: raw.AES128GCM, Key: make([]byte, key), Salt: make([]byte, salt), IV: make([]byte, iv)}
	for _, b := range [][]byte{info.Key, info.Salt, info.IV} {
		_, _ = rand.Read(b) // it never fails
	}
	return info
}

// familyConn is an AF_KTLS socket and the TCP socket below it.
type familyConn struct {
	*os.File
	tcp net.Conn
}

func newFamilyConn(tcp net.Conn, tx, rx *raw.CryptoInfo) (*familyConn, error) {
	file, err := raw.EnableFamily(tcp.(syscall.Conn), tx, rx)
	if err != nil {
		return nil, err
	}
	return &familyConn{file, tcp}, nil
}

func (c *familyConn) LocalAddr() net.Addr  { return c.tcp.LocalAddr() }
func (c *familyConn) RemoteAddr() net.Addr { return c.tcp.RemoteAddr() }
func (c *familyConn) Close() error         { return errors.Join(c.File.Close(), c.tcp.Close()) }

// ReadFrom sends the rest of a file by sendfile(2), which package os does not use for an
// unknown socket family.
func (c *familyConn) ReadFrom(r io.Reader) (total int64, err error) {
	lr, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(onlyWriter{c.File}, r)
	}
	file, ok := lr.R.(*os.File)
	if !ok {
		return io.Copy(onlyWriter{c.File}, r)
	}
	for lr.N > 0 {
		n, err := moveTo(c, file, func(to, from int) (int64, error) {
			n, err := unix.Sendfile(to, from, nil, int(lr.N))
			return int64(n), os.NewSyscallError("sendfile", err)
		})
		if err != nil || n <= 0 {
			return total, err
		}
		total, lr.N = total+n, lr.N-n
	}
	return total, nil
}
