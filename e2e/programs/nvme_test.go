package programs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// nvme is a disk over NVMe/TCP: the kernel's target, and its host in the same kernel.
type nvme struct {
	*listing
	port int
	// disk is the file that the target exports, data what the host writes there.
	disk string
	data []byte
}

const (
	nvmeTarget = "nqn.2026-01.org.example:disk"
	nvmeHostID = "11111111-2222-3333-4444-555555555555"
	nvmeHost   = "nqn.2014-08.org.nvmexpress:uuid:" + nvmeHostID
	nvmet      = "/sys/kernel/config/nvmet"
	nvmeQueues = 2 // of input and output, besides the one for administration
	nvmePiece  = 64 << 10
)

func (n *nvme) sides() []side {
	return []side{{"NVMe/TCP", "server", "ktls-utils", n.port}, {"NVMe/TCP", "client", "nvme-cli", n.port}}
}

func (n *nvme) begin(t *testing.T) {
	n.port, n.data = freePort(t), pattern(256<<10)
	n.makeKey(t)
	// Not among the other files: /tmp is an overlay, whose files have no block size for the target.
	n.disk = "/run/ktlstop-disk"
	must(t, os.WriteFile(n.disk, make([]byte, 1<<20), 0o600))
	if err := unix.Mount("none", "/sys/kernel/config", "configfs", 0, ""); err != nil && err != unix.EBUSY {
		t.Fatal(err)
	}
	n.serve(t)
}

// makeKey makes a key and puts it into the kernel's keyring, from which tlshd takes it for both
// ends.
func (n *nvme) makeKey(t *testing.T) {
	run(t, n.trixie.command(t, "nvme", "gen-tls-key", "--hmac=1", "--identity=1", "--subsysnqn="+nvmeTarget, "--hostnqn="+nvmeHost, "--insert"))
}

// serve exports the disk to hosts with the key.
func (n *nvme) serve(t *testing.T) {
	subsystem, port := filepath.Join(nvmet, "subsystems", nvmeTarget), filepath.Join(nvmet, "ports/1")
	for _, dir := range []string{subsystem, subsystem + "/namespaces/1", port} {
		must(t, os.Mkdir(dir, 0o755))
	}
	for _, set := range [][2]string{
		{subsystem + "/attr_allow_any_host", "1"},
		{subsystem + "/namespaces/1/device_path", n.disk}, {subsystem + "/namespaces/1/enable", "1"},
		{port + "/addr_trtype", "tcp"}, {port + "/addr_adrfam", "ipv4"}, {port + "/addr_traddr", "127.0.0.1"}, {port + "/addr_trsvcid", strconv.Itoa(n.port)},
		{port + "/addr_treq", "required"}, {port + "/addr_tsas", "tls1.3"},
	} {
		put(t, set[0], set[1])
	}
	link := filepath.Join(port, "subsystems", nvmeTarget)
	must(t, os.Symlink(subsystem, link))
	t.Cleanup(func() {
		for _, remove := range []string{link, port, subsystem + "/namespaces/1", subsystem} {
			if err := os.Remove(remove); err != nil {
				t.Error(err)
			}
		}
	})
}

func (n *nvme) talk(t *testing.T) {
	run(t, n.trixie.command(t, "nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", strconv.Itoa(n.port), "-n", nvmeTarget,
		"--hostnqn="+nvmeHost, "--hostid="+nvmeHostID, "--tls", "-i", strconv.Itoa(nvmeQueues)))
	defer run(t, n.trixie.command(t, "nvme", "disconnect", "-n", nvmeTarget))
	device := n.device(t)
	n.whileConnected(t)
	writeDirect(t, device, n.data, nvmePiece)
	if !bytes.Equal(readDirect(t, device, len(n.data), 128<<10), n.data) {
		t.Error("read from the disk is not what was written to it")
	}
}

// device waits for the disk that the host has found at the target. The disk appears before its size
// is known.
func (n *nvme) device(t *testing.T) (name string) {
	t.Helper()
	until(t, "the disk is there", func() bool {
		found, _ := filepath.Glob("/sys/block/nvme*n1") // the pattern is no bad one
		for _, dir := range found {
			target, _ := os.ReadFile(filepath.Join(dir, "device/subsysnqn")) // not there before the controller is live
			size, _ := os.ReadFile(filepath.Join(dir, "size"))
			name = filepath.Join("/dev", filepath.Base(dir))
			if _, err := os.Stat(name); err == nil && strings.TrimSpace(string(target)) == nvmeTarget && strings.TrimSpace(string(size)) != "0" {
				return true
			}
		}
		return false
	})
	return name
}

func (n *nvme) check(t *testing.T, got *trace) string {
	kept, err := os.ReadFile(n.disk)
	must(t, err)
	if !bytes.HasPrefix(kept, n.data) {
		t.Error("the target's file is not what the host wrote")
	}
	conns := got.clients(n.port)
	if len(conns) != 1+nvmeQueues {
		t.Errorf("%d connections, want one for administration and %d queues", len(conns), nvmeQueues)
	}
	var written, read []byte
	size, units := 0, 0
	for _, client := range conns {
		size += got.oneWay(t, client, n.port) + got.toHost(t, n.port, client)
		asked, answered := got.pdus(t, client, n.port), got.pdus(t, n.port, client)
		// A command that waits for an event of the target has no completion.
		if open := asked.commands - answered.completions; open != 0 && open != 1 {
			t.Errorf("port %d: %d commands and %d completions", client, asked.commands, answered.completions)
		}
		written, read, units = append(written, asked.data...), append(read, answered.data...), units+asked.n+answered.n
	}
	if !holds(written, n.data) || !holds(read, n.data) {
		t.Errorf("what was written is not among the %d bytes to the target and the %d from it", len(written), len(read))
	}
	n.names(t, got, n.port, "nvme_tcp", "nvmet_tcp")
	for _, s := range n.sides() {
		if writes := got.countCalls(t, s, "nvme", "Write", "success"); writes != len(n.data)/nvmePiece {
			t.Errorf("inspect reports %d commands Write of the %s, want %d", writes, s.as, len(n.data)/nvmePiece)
		}
		got.countCalls(t, s, "nvme", "Read", "success")
	}
	return fmt.Sprintf("%d bytes between both ends of %d connections, walked by %d PDUs; a disk written and read, in both directions and in the target's file", size, len(conns), units)
}

// toHost compares the data sent by the target with that received by the host. When it disconnects,
// the host does not wait for the last completions.
func (tr *trace) toHost(t *testing.T, target, host int) int {
	t.Helper()
	sent, n := tr.stream(target, host, event.TX)
	got, m := tr.stream(host, target, event.RX)
	if len(sent) != n || len(got) != m || !bytes.HasPrefix(sent, got) {
		t.Fatalf("from port %d to %d: %d bytes sent, of which %d are shown; %d bytes received, of which %d are shown", target, host, n, len(sent), m, len(got))
	}
	const completion = 24
	for rest := sent[m:]; len(rest) > 0; rest = rest[completion:] {
		if rest[0] != capsuleResponse || len(rest) < completion {
			t.Fatalf("from port %d to %d: the host did not get the last %d bytes, and they are no completions", target, host, n-m)
		}
	}
	return n
}

// pdus are the PDUs of NVMe/TCP (NVMe TCP Transport Specification, 3.6) in one direction.
type pdus struct {
	n, commands, completions int
	data                     []byte
}

// Their types, and the flag for data that implies a completion.
const (
	capsuleCommand  = 0x04
	capsuleResponse = 0x05
	hostToTarget    = 0x06
	targetToHost    = 0x07
	dataIsSuccess   = 1 << 3
)

// pdus walks from one to the next, at both ends.
func (tr *trace) pdus(t *testing.T, from, to int) (p pdus) {
	t.Helper()
	tr.contiguous(t, from, to, event.TX)
	tr.contiguous(t, to, from, event.RX)
	stream, _ := tr.stream(from, to, event.TX)
	for at := 0; at < len(stream); {
		rest := stream[at:]
		if len(rest) < 8 {
			t.Fatalf("port %d to %d: %d bytes behind PDU %d", from, to, len(rest), p.n)
		}
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		if size < 8 || size > len(rest) {
			t.Fatalf("port %d to %d: PDU %d has %d bytes, %d are there", from, to, p.n, size, len(rest))
		}
		p.add(rest[:size])
		at += size
	}
	return p
}

func (p *pdus) add(unit []byte) {
	kind, flags, header, data := unit[0], unit[1], int(unit[2]), int(unit[3])
	p.n++
	switch kind {
	case capsuleCommand:
		p.commands++
	case capsuleResponse:
		p.completions++
	case targetToHost:
		if flags&dataIsSuccess != 0 {
			p.completions++
		}
	case hostToTarget:
	default:
		return
	}
	if len(unit) > header && data >= header && data <= len(unit) {
		p.data = append(p.data, unit[data:]...)
	}
}
