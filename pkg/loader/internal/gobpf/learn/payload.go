//go:build gobpf

package learn

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// address is the address of the page that belongs to a struct page of the given size.
func (n *learner) address(page uint64, size int) uint64 {
	return n.pages.Direct + (page-n.pages.Structs)/uint64(size)*uint64(object.PageSize)
}

// scatter is where a message has its pieces, and the sizes of a struct scatterlist and
// a struct page.
type scatter struct{ data, size, page int }

// learnPlaintext sends pages of known contents.
func (n *learner) learnPlaintext() error {
	var scatters candidates[scatter]
	for i := range 3 {
		size := 2*object.PageSize + 904 + 100*i
		err := n.withConnection(i, func(k *connection) error { return n.samplePages(k, pattern(size, byte(10+i)), &scatters) })
		if err != nil {
			return err
		}
	}
	if err := n.need("sk_msg_sg.size"); err != nil {
		return err
	}
	s, ok := scatters.only()
	if !ok {
		n.Missing = append(n.Missing, fmt.Sprintf("the pieces of a plaintext (%d places): no payload, and no details of alerts and handshake records", len(scatters.remaining)))
		return nil
	}
	n.Layout.Set("sk_msg_sg.data", s.data)
	n.Layout.Set("scatterlist.page_link", 0)
	n.Layout.Set("scatterlist.offset", 8)
	n.Layout.Set("scatterlist.length", 12)
	n.Layout.Sizes["scatterlist"], n.Layout.Sizes["page"] = uint32(s.size), uint32(s.page)
	return nil
}

func (n *learner) samplePages(k *connection, b []byte, scatters *candidates[scatter]) error {
	if err := n.forget(probeVerdict); err != nil {
		return err
	}
	release, err := spliceKept(k.a.fd, b)
	if err != nil {
		return err
	}
	defer release()
	v, err := n.last(probeVerdict)
	if err != nil {
		return fmt.Errorf("bpf_exec_tx_verdict: %w", err)
	}
	m := v.mem[0]
	n.note("sk_msg_sg.size", m.find32(uint32(len(b))))
	var places []scatter
	for data := 0; data < 128; data += 8 {
		for size := 16; size <= 48; size += 8 {
			for page := 56; page <= 128; page += 8 {
				if n.isScatter(m, scatter{data, size, page}, b) {
					places = append(places, scatter{data, size, page})
				}
			}
		}
	}
	scatters.add(places)
	return nil
}

// isScatter reports whether b lists the pages one after the other.
func (n *learner) isScatter(m memory, s scatter, b []byte) bool {
	if n.pages.Direct == 0 {
		return false
	}
	for at := s.data; len(b) > 0; at += s.size {
		length := min(len(b), object.PageSize)
		if m.u32(at+12) != uint32(length) || m.u64(at) < n.pages.Structs {
			return false
		}
		addr := n.address(m.u64(at)&^3, s.page) + uint64(m.u32(at+8))
		if !bytes.Equal(n.peek(addr, 64), b[:64]) {
			return false
		}
		b = b[length:]
	}
	return true
}

// spliceKept sends a record that consists of whole pages, and keeps the pages from
// being used again until release is called.
func spliceKept(fd int, b []byte) (release func(), err error) {
	var pipe, copied [2]int
	if err := errors.Join(unix.Pipe2(pipe[:], unix.O_CLOEXEC), unix.Pipe2(copied[:], unix.O_CLOEXEC)); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	release = func() {
		for _, fd := range append(pipe[:], copied[:]...) {
			unix.Close(fd)
		}
	}
	if _, err = unix.Write(pipe[1], b); err == nil {
		_, err = unix.Tee(pipe[0], copied[1], len(b), 0)
	}
	if err == nil {
		_, err = unix.Splice(pipe[0], nil, fd, nil, len(b), 0)
	}
	if err != nil {
		release()
		return nil, fmt.Errorf("splice: %w", err)
	}
	return release, nil
}
