//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/namespace"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Programs of the inventory, which are iterators: over all tasks' files, and over the
// TCP sockets of one network namespace, whoever has them.
const (
	inventoryProgram = "inventory"
	connectedProgram = "inventory_connected"
)

// inventory reports the sockets that were open before, and counts those that it did not find.
// It visits the files of tasks first, since they identify the owner of a socket. Sockets of the
// kernel itself are in no task's files: inventory then visits each namespace with TLS, whatever
// it has found, since sockets that were closed meanwhile would hide missing ones.
func (b *ebpfBackend) inventory() (notFound int, err error) {
	if b.coll.Programs[inventoryProgram] == nil { // the kernel refused it, which is said
		return 0, nil
	}
	sockets := map[uint32]namespace.Socket{}
	before, short := counts{}, deficits{}
	namespace.Each(sockets, before.enter) // what cannot be entered is told by the looks
	const passes = 3
	for pass := range passes {
		if err := b.beginPass(pass + 1); err != nil {
			return 0, err
		}
		if err := b.inventoryOf(inventoryProgram); err != nil {
			return 0, err
		}
		if b.cfg.walked != nil {
			b.cfg.walked()
		}
		after, found, err := b.scanNamespaces(sockets)
		if err != nil {
			return 0, err
		}
		if again := short.update(before, after, found); !again {
			break
		}
		before = after
	}
	b.noteSkippedNamespaces()
	return short.sum(), nil
}

// noteSkippedNamespaces adds a line for the user about namespaces that could not be visited.
func (b *ebpfBackend) noteSkippedNamespaces() {
	if len(b.skippedNamespaces) == 0 {
		return
	}
	first := slices.Min(slices.Collect(maps.Keys(b.skippedNamespaces)))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missing = append(b.missing, fmt.Sprintf("%d of the network namespaces, net:[%d] the first: connections of the kernel itself (NVMe/TCP, NFS) "+
		"that are open there already show at their first record (%v)", len(b.skippedNamespaces), first, b.skippedNamespaces[first]))
}

// beginPass resets the count of found sockets.
func (b *ebpfBackend) beginPass(n int) error {
	if err := b.coll.Variables["inventory_pass"].Set(uint32(n)); err != nil {
		return fmt.Errorf("begin the inventory: %w", err)
	}
	found, err := b.found()
	if err != nil {
		return err
	}
	for inode := range found {
		if err := b.coll.Maps["open_sockets"].Delete(inode); err != nil {
			return fmt.Errorf("forget what the inventory has met: %w", err)
		}
	}
	return nil
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

// readInventory makes the kernel visit everything. An iterator over sockets visits those of the
// network namespace of the thread.
func readInventory(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return fmt.Errorf("open the inventory: %w", err)
	}
	defer r.Close()
	if err := readOut(r); err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	return nil
}

// readOut reads to the end. After a million objects without output the kernel returns EAGAIN
// (MAX_ITER_OBJECTS of kernel/bpf/bpf_iter.c), and continues from there at the next read.
func readOut(r io.Reader) error {
	for {
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
}

// scanNamespaces visits the sockets of each network namespace that counts any, adds one socket of
// each namespace with a found one to sockets, and returns the counts of the namespaces and what
// was found in total. b.skippedNamespaces gets the namespaces that could not be visited.
func (b *ebpfBackend) scanNamespaces(sockets map[uint32]namespace.Socket) (counts, map[uint32]object.KtlsNetnsCount, error) {
	var it *link.Iter
	if prog := b.coll.Programs[connectedProgram]; prog != nil {
		var err error
		if it, err = link.AttachIter(link.IterOptions{Program: prog}); err != nil {
			return nil, nil, fmt.Errorf("attach the inventory of sockets: %w", err)
		}
		defer it.Close()
	}
	found, err := b.found()
	if err != nil {
		return nil, nil, err
	}
	for inode, m := range found {
		if m.Pid != 0 { // a task has a file of it
			sockets[inode] = namespace.Socket{PID: int(m.Pid), FD: int(m.Fd)}
		}
	}
	after := counts{}
	b.skippedNamespaces = namespace.Each(sockets, func(inode uint32) error {
		open, err := namespace.OpenTLS()
		if err != nil || open == (namespace.Open{}) {
			return err
		}
		if it != nil {
			if err := readInventory(it); err != nil {
				return err
			}
		}
		return after.enter(inode)
	})
	found, err = b.found()
	return after, found, err
}

// found returns what the current pass has found in each namespace.
func (b *ebpfBackend) found() (map[uint32]object.KtlsNetnsCount, error) {
	found := map[uint32]object.KtlsNetnsCount{}
	var inode uint32
	var m object.KtlsNetnsCount
	it := b.coll.Maps["open_sockets"].Iterate()
	for it.Next(&inode, &m) {
		found[inode] = m
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read what the inventory has met: %w", err)
	}
	return found, nil
}
