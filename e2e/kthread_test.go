package e2e

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// ioctls of include/uapi/linux/nbd.h.
const (
	nbdSetSock       = 0xab00
	nbdSetBlockSize  = 0xab01
	nbdDoIt          = 0xab03
	nbdClearSock     = 0xab04
	nbdSetSizeBlocks = 0xab07
	nbdDisconnect    = 0xab08
)

const (
	nbdRequestMagic = 0x25609513
	nbdReplyMagic   = 0x67446698
	nbdRequestSize  = 28
	nbdRead         = 0
	nbdDisc         = 2
)

// playKernelThread gives a socket with kernel TLS to the network block device:
// its workers read from the socket, and are named as kernel threads.
func playKernelThread(t *testing.T) func(*testing.T, trace) {
	if out, err := exec.Command("modprobe", "nbd", "nbds_max=1").CombinedOutput(); err != nil {
		t.Fatalf("modprobe nbd: %v: %s", err, out)
	}
	info := rawInfo(security{"1.3", "AES-GCM-128", "sw"})
	a, b := tcpPair(t)
	must(t, raw.Enable(a, &info, &info))
	must(t, raw.Enable(b, &info, &info))
	p := newPlainPair(t, a, b, info)
	served := make(chan error, 1)
	go func() { served <- serveBlocks(p.b) }()
	readBlockDevice(t, p.a)
	must(t, <-served)
	p.close()

	return func(t *testing.T, got trace) {
		replies := got.stream(p.lport, p.rport, "rx").data()
		if len(replies) < 2 {
			t.Fatalf("the kernel read %d records", len(replies))
		}
		for _, l := range replies {
			if !strings.HasPrefix(l.Comm, "kernel:") || l.UID != 0 {
				t.Errorf("record %d was read by %q", l.Seq, l.Comm)
			}
		}
		checkSame(t, replies.payload(), got.stream(p.rport, p.lport, "tx").payload())
	}
}

// readBlockDevice makes the kernel the client of fd, and reads two pieces.
func readBlockDevice(t *testing.T, fd int) {
	t.Helper()
	dev, err := unix.Open("/dev/nbd0", unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(dev)
	must(t, unix.IoctlSetInt(dev, nbdSetBlockSize, 4096))
	must(t, unix.IoctlSetInt(dev, nbdSetSizeBlocks, 64))
	must(t, unix.IoctlSetInt(dev, nbdSetSock, fd))
	over := make(chan error, 1)
	go func() { over <- unix.IoctlSetInt(dev, nbdDoIt, 0) }()
	waitForDevice(t)
	data, err := unix.Open("/dev/nbd0", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	for _, piece := range []struct{ offset, size int }{{0, 4096}, {8 * 4096, 30000}} {
		buf := make([]byte, piece.size)
		n, err := unix.Pread(data, buf, int64(piece.offset))
		must(t, err)
		checkSame(t, buf[:n], blocks(piece.offset, piece.size))
	}
	must(t, unix.Close(data))
	must(t, unix.IoctlSetInt(dev, nbdDisconnect, 0))
	must(t, <-over)
	must(t, unix.IoctlSetInt(dev, nbdClearSock, 0))
}

// waitForDevice waits until the block device has its size.
func waitForDevice(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile("/sys/block/nbd0/size")
		must(t, err)
		if strings.TrimSpace(string(b)) != "0" {
			return
		}
	}
	t.Fatal("the block device has no size")
}

// blocks is the content of the block device.
func blocks(offset, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte((offset + i) / 512)
	}
	return b
}

// serveBlocks answers the requests of a network block device until it disconnects.
func serveBlocks(fd int) error {
	be := binary.BigEndian
	for {
		request := make([]byte, nbdRequestSize)
		n, _, err := unix.Recvfrom(fd, request, unix.MSG_WAITALL)
		if err != nil || n != len(request) || be.Uint32(request) != nbdRequestMagic {
			return errors.Join(err, errors.New("no request of a block device"))
		}
		reply := be.AppendUint32(nil, nbdReplyMagic)
		reply = be.AppendUint32(reply, 0)
		reply = append(reply, request[8:16]...) // the request's handle
		switch be.Uint32(request[4:]) {
		case nbdDisc: // otherwise the kernel would read until its timeout
			return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RDWR))
		case nbdRead:
			reply = append(reply, blocks(int(be.Uint64(request[16:])), int(be.Uint32(request[24:])))...)
		}
		if err := unix.Send(fd, reply, 0); err != nil {
			return os.NewSyscallError("send", err)
		}
	}
}
