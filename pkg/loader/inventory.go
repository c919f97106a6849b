package loader

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/namespace"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Programs of the inventory, which are iterators: over all tasks' files, and over the
// TCP sockets of one network namespace, whoever has them.
const (
	inventoryProgram = "inventory"
	connectedProgram = "inventory_connected"
)

// inventory tells of the sockets that were open before, and counts those that it could
// not find. Files name who has a socket, and so they come first. What the kernel has
// opened itself is in nobody's files: a namespace that counts more than was met is
// looked through. A connection may begin or end meanwhile, and so what is missing is
// looked for twice before it is said.
func (b *ebpfBackend) inventory() (notFound int, err error) {
	if b.coll.Programs[inventoryProgram] == nil { // the kernel refused it, which is said
		return 0, nil
	}
	const looks = 2
	for range looks {
		if err := b.inventoryOf(inventoryProgram); err != nil {
			return 0, err
		}
		if notFound, err = b.lookIntoNamespaces(); err != nil || notFound == 0 {
			return 0, err
		}
	}
	return notFound, nil
}

// inventoryOf runs an iterator over tasks' files.
func (b *ebpfBackend) inventoryOf(program string) error {
	if b.coll.Programs[program] == nil {
		return nil
	}
	it, err := link.AttachIter(link.IterOptions{Program: b.coll.Programs[program]})
	if err != nil {
		return fmt.Errorf("attach the inventory: %w", err)
	}
	defer it.Close()
	return readInventory(it)
}

// readInventory lets the kernel visit everything. An iterator over sockets visits those of
// the network namespace of the thread.
func readInventory(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return fmt.Errorf("open the inventory: %w", err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	return nil
}

// lookIntoNamespaces visits the sockets of each network namespace that counts more of
// them than were met, and returns how many are missing still.
func (b *ebpfBackend) lookIntoNamespaces() (missing int, err error) {
	var it *link.Iter
	if prog := b.coll.Programs[connectedProgram]; prog != nil {
		if it, err = link.AttachIter(link.IterOptions{Program: prog}); err != nil {
			return 0, fmt.Errorf("attach the inventory of sockets: %w", err)
		}
		defer it.Close()
	}
	sockets, err := b.socketsMet()
	if err != nil {
		return 0, err
	}
	err = namespace.Each(sockets, func(inode uint32) error {
		n, err := b.unmet(inode)
		if err != nil || n == 0 || it == nil {
			missing += n
			return err
		}
		if err := readInventory(it); err != nil {
			return err
		}
		n, err = b.unmet(inode)
		missing += n
		return err
	})
	return missing, err
}

// socketsMet is a socket of each namespace where one was met that a task has a file of.
func (b *ebpfBackend) socketsMet() (map[uint32]namespace.Socket, error) {
	sockets := map[uint32]namespace.Socket{}
	var inode uint32
	var met object.KtlsMet
	it := b.coll.Maps["open_sockets"].Iterate()
	for it.Next(&inode, &met) {
		if met.Pid != 0 {
			sockets[inode] = namespace.Socket{PID: int(met.Pid), FD: int(met.Fd)}
		}
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read what the inventory has met: %w", err)
	}
	return sockets, nil
}

// unmet is by how many sockets the present network namespace, which has the number
// inode, counts more than were met in it: at least, since a socket can have both
// directions or one. A kernel that counts nothing has none to miss.
func (b *ebpfBackend) unmet(inode uint32) (int, error) {
	open, err := namespace.OpenTLS()
	if err != nil {
		return 0, err
	}
	var met object.KtlsMet
	if err := b.coll.Maps["open_sockets"].Lookup(inode, &met); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, fmt.Errorf("read what the inventory has met: %w", err)
	}
	var lacks [2]int
	for dir := range lacks {
		lacks[dir] = max(0, open.Software[dir]-int(met.Sw[dir])) + max(0, open.Card[dir]-int(met.Card[dir]))
	}
	return max(lacks[0], lacks[1]), nil
}
