package ktls

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// softDTLS does in the test what AF_KTLS does, so that all that is above it can be tested on
// any machine. It looks at the UDP socket only while somebody receives.
type softDTLS struct {
	*net.UDPConn
	suite  suite
	tx, rx *dtlsKey
	mtu    int

	txMu sync.Mutex
	next uint64 // number

	rest    []byte // of a datagram
	seen    map[uint64]bool
	foreign chan []byte // what is left to user space
	once    sync.Once
}

func attachSoft(conn *net.UDPConn, h *dtlsHandover, mtu int) (dtlsSocket, error) {
	// As the kernel does, it keeps keys of its own.
	own := func(k directionKeys) directionKeys {
		return directionKeys{append([]byte(nil), k.key...), append([]byte(nil), k.iv...)}
	}
	tx, err := h.suite.dtlsKey(own(h.tx))
	if err != nil {
		return nil, err
	}
	rx, err := h.suite.dtlsKey(own(h.rx))
	return &softDTLS{UDPConn: conn, suite: h.suite, tx: tx, rx: rx, mtu: mtu, next: h.txNumber,
		seen: map[uint64]bool{}, foreign: make(chan []byte, 64)}, err
}

// seal is the inverse of open.
func (k *dtlsKey) seal(typ raw.ContentType, number uint64, p []byte) dtlsRecord {
	rec := binary.BigEndian.AppendUint64([]byte{byte(typ), 0xfe, 0xfd}, number)
	ad := additionalData(rec, len(p))
	var body []byte
	if k.explicit {
		body = binary.BigEndian.AppendUint64(nil, number)
	}
	body = k.aead.Seal(body, k.nonce(number), p, ad)
	rec = binary.BigEndian.AppendUint16(rec, uint16(len(body)))
	return append(rec, body...)
}

func (s *softDTLS) send(typ raw.ContentType, p []byte) error {
	s.txMu.Lock()
	defer s.txMu.Unlock()
	if most, err := s.payload(); err != nil || len(p) > most {
		return &net.OpError{Op: "write", Net: "udp", Err: errTooLong}
	}
	_, err := s.UDPConn.Write(s.tx.seal(typ, s.next, p))
	s.next++
	return err
}

func (s *softDTLS) trySend(typ raw.ContentType, p []byte) error { return s.send(typ, p) }

func (s *softDTLS) recv(p []byte) (int, raw.ContentType, bool, error) {
	buf := make([]byte, 1<<16)
	for {
		rec, rest := cutRecord(s.rest)
		if s.rest = rest; rec == nil {
			n, err := s.UDPConn.Read(buf)
			if err != nil {
				return 0, 0, false, err
			}
			s.rest = buf[:n]
			continue
		}
		if rec.epoch() != 1 || rec.typ() == raw.TypeHandshake {
			s.foreign <- append([]byte(nil), rec...)
			continue
		}
		plain, err := s.rx.open(rec)
		if err != nil || s.seen[rec.number()] {
			continue
		}
		s.seen[rec.number()] = true
		n := copy(p, plain)
		return n, rec.typ(), n == len(plain), nil
	}
}

func (s *softDTLS) left(p []byte) (int, error) {
	d, ok := <-s.foreign
	if !ok {
		return 0, net.ErrClosed
	}
	return copy(p, d), nil
}

func (s *softDTLS) spliceFrom(src io.Reader, n int64) (int64, error) {
	f, ok := src.(*os.File)
	if !ok {
		return 0, nil
	}
	most, err := s.payload()
	if err != nil {
		return 0, err
	}
	return io.CopyBuffer(onlyWriter{softWriter{s}}, onlyReader{io.LimitReader(f, n)}, make([]byte, most))
}

type softWriter struct{ *softDTLS }

func (w softWriter) Write(p []byte) (int, error) { return len(p), w.send(raw.TypeApplicationData, p) }

func (s *softDTLS) splicer(io.Writer) dtlsSplicer { return nil }

func (s *softDTLS) payload() (int, error) {
	datagram := s.mtu
	if datagram == 0 {
		var err error
		if datagram, err = pathDatagram(s.UDPConn); err != nil {
			return 0, err
		}
	}
	return min(datagram-s.suite.overhead(), maxPlaintext), nil
}

func (s *softDTLS) offload() Offload {
	d := DirectionState{Mode: ModeSoftware}
	return Offload{TX: d, RX: d}
}

// Close closes the UDP socket too: a Read that waits for it must end.
func (s *softDTLS) Close() error {
	err := s.UDPConn.Close()
	s.once.Do(func() { close(s.foreign) })
	return err
}
