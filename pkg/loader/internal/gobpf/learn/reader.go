//go:build gobpf

package learn

import (
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// learnSplice finds the struct sock of a struct socket.
func (n *learner) learnSplice() error {
	for i := range 2 {
		err := n.withConnection(i, func(k *connection) error {
			if err := k.send(23, pattern(50, 9)); err != nil {
				return err
			}
			var pipe [2]int
			if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
				return os.NewSyscallError("pipe2", err)
			}
			defer unix.Close(pipe[0])
			defer unix.Close(pipe[1])
			if err := n.forget(probeSpliceRead); err != nil {
				return err
			}
			if _, err := unix.Splice(k.b.fd, nil, pipe[1], nil, 50, 0); err != nil {
				return os.NewSyscallError("splice", err)
			}
			s, err := n.last(probeSpliceRead)
			if err != nil {
				return fmt.Errorf("tls_sw_splice_read: %w", err)
			}
			n.note("socket.sk", s.mem[0].find64(k.b.sk))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return n.need("socket.sk")
}

// learnReaders finds a reader's memory, for records that are opened directly into it.
func (n *learner) learnReaders() error {
	var single, several candidates[[2]byte] // place and value of the iterator's type
	for i := range 4 {
		k, err := n.open([]int{1, 2, 5, 2}[i]) // TLS 1.2
		if k != nil {
			defer k.close()
		}
		if err != nil {
			return err
		}
		if err := n.sampleReader(k, 500+100*i, &single); err != nil {
			return err
		}
		if err := n.sampleReaders(k, 2+i%3, &several); err != nil {
			return err
		}
	}
	n.resolveReaders(&single, &several)
	return nil
}

func bytesAt(m memory) (at [][2]byte) {
	for i, v := range m {
		at = append(at, [2]byte{byte(i), v})
	}
	return at
}

const messageSize = 128 // bounds struct msghdr

// sampleReader reads two records by one read(2) into one buffer.
func (n *learner) sampleReader(k *connection, size int, kind *candidates[[2]byte]) error {
	for range 2 {
		if err := k.send(23, pattern(size, 7)); err != nil {
			return err
		}
	}
	if err := k.await(2, size); err != nil { // read(2) returns what is there
		return err
	}
	b := make([]byte, 4096)
	if err := n.readExactly(k, 2*size, func() (int, error) { return unix.Read(k.b.fd, b) }); err != nil {
		return err
	}
	s, err := n.last(probeOpen)
	if err != nil {
		return fmt.Errorf("tls_rx_one_record: %w", err)
	}
	m := s.mem[1][:messageSize]
	n.note("iov_iter.ubuf", m.find64(uint64(uintptr(unsafe.Pointer(&b[0])))))
	n.note("iov_iter.iov_offset", m.find64(uint64(size)))
	kind.add(bytesAt(m))
	return nil
}

// sampleReaders reads one record by readv(2) into several buffers.
func (n *learner) sampleReaders(k *connection, buffers int, kind *candidates[[2]byte]) error {
	if err := k.send(23, pattern(100*buffers, 8)); err != nil {
		return err
	}
	var vec [][]byte
	for i := range buffers {
		vec = append(vec, make([]byte, 100+64*i))
	}
	if err := n.readExactly(k, 100*buffers, func() (int, error) { return unix.Readv(k.b.fd, vec) }); err != nil {
		return err
	}
	s, err := n.last(probeOpen)
	if err != nil {
		return fmt.Errorf("tls_rx_one_record: %w", err)
	}
	var at []int
	for i, v := range s.near {
		if v.u64(0) == uint64(uintptr(unsafe.Pointer(&vec[0][0]))) && v.u64(8) == uint64(len(vec[0])) &&
			v.u64(16) == uint64(uintptr(unsafe.Pointer(&vec[1][0]))) {
			at = append(at, 8*i)
		}
	}
	n.note("iov_iter.__iov", at)
	kind.add(bytesAt(s.mem[1][:messageSize]))
	return nil
}

// readExactly makes one call that reads everything that was sent.
func (n *learner) readExactly(k *connection, size int, read func() (int, error)) error {
	if err := n.forget(probeOpen); err != nil {
		return err
	}
	got, err := read()
	if err == nil && got != size {
		err = fmt.Errorf("%d bytes of %d", got, size)
	}
	return os.NewSyscallError("read", err)
}

func (n *learner) resolveReaders(single, several *candidates[[2]byte]) {
	without := "no payload of records that are opened directly into the reader's memory"
	if !n.want("iov_iter.ubuf", without) || !n.want("iov_iter.__iov", without) || !n.want("iov_iter.iov_offset", without) {
		return
	}
	place := func(field string) byte { return byte(n.Layout.Fields[field].Offset) }
	kinds := kindsOfMemory(single.remaining, several.remaining, place("msghdr.msg_flags"), place("iov_iter.ubuf"), place("iov_iter.__iov"))
	if len(kinds) != 1 {
		n.Missing = append(n.Missing, fmt.Sprintf("the kind of a reader's memory (%v): %s", kinds, without))
		return
	}
	n.Layout.Set("iov_iter.iter_type", int(kinds[0][0]))
	n.Layout.Enums["iter_type.ITER_UBUF"] = uint64(kinds[0][1])
	n.Layout.Enums["iter_type.ITER_IOVEC"] = uint64(kinds[0][2])
}

// kindsOfMemory are the bytes that may be the iterator's type, with their values for
// one buffer and for several. The iterator precedes the flags. A pointer to a heap and
// one to the list of buffers always differ in some bytes as well.
func kindsOfMemory(single, several [][2]byte, flags byte, pointers ...byte) (kinds [][3]byte) {
	inPointer := func(at byte) bool {
		return slices.ContainsFunc(pointers, func(p byte) bool { return at >= p && at < p+8 })
	}
	for _, a := range single {
		for _, b := range several {
			if a[0] == b[0] && a[0] < flags && !inPointer(a[0]) && a[1] != b[1] && a[1] < 16 && b[1] < 16 {
				kinds = append(kinds, [3]byte{a[0], a[1], b[1]})
			}
		}
	}
	return kinds
}
