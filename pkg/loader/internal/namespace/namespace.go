//go:build linux

// Package namespace enters the network namespaces of this machine, one after the other.
package namespace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Socket is a socket of a process: process and descriptor, as this process's namespace
// numbers them.
type Socket struct{ PID, FD int }

// Each calls visit in each network namespace that has a process, that is mounted somewhere,
// or that one of the sockets belongs to; sockets is by the namespace's number, which stat(2)
// reports. It skips a namespace that vanishes meanwhile. failed has the namespaces that could
// not be entered, or whose visit returned an error; the others are visited anyway.
func Each(sockets map[uint32]Socket, visit func(inode uint32) error) (failed map[uint32]error) {
	result := make(chan map[uint32]error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, in whichever namespace it is
		result <- each("/proc", sockets, visit)
	}()
	return <-result
}

// opener opens a namespace.
type opener func() (int, error)

// maxOpeners is how many ways into one namespace are kept: a process can end before its turn.
const maxOpeners = 8

func each(proc string, sockets map[uint32]Socket, visit func(uint32) error) map[uint32]error {
	openers := map[uint32][]opener{}
	for inode, paths := range find(proc) {
		for _, path := range paths {
			openers[inode] = append(openers[inode], func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
		}
	}
	for inode, s := range sockets {
		openers[inode] = append(openers[inode], s.namespace)
	}
	failed := map[uint32]error{}
	for _, inode := range slices.Sorted(maps.Keys(openers)) {
		entered, err := enterBy(inode, openers[inode])
		if entered {
			err = visit(inode)
		}
		if err != nil {
			failed[inode] = err
		}
	}
	return failed
}

// enterBy tries the ways one after the other.
func enterBy(inode uint32, openers []opener) (entered bool, err error) {
	for _, open := range openers {
		in, one := enter(inode, open)
		if in {
			return true, nil
		}
		if one != nil {
			err = one
		}
	}
	return false, err
}

// namespace opens the namespace of a socket, which may be closed meanwhile.
func (s Socket) namespace() (int, error) {
	process, err := unix.PidfdOpen(s.PID, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	socket, err := unix.PidfdGetfd(process, s.FD, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(socket)
	return unix.IoctlRetInt(socket, unix.SIOCGSKNS)
}

// enter moves this thread into a namespace, if it is still the same one: a vanished namespace
// is no error.
func enter(inode uint32, open opener) (bool, error) {
	fd, err := open()
	if err != nil {
		if gone(err) {
			err = nil
		}
		return false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || uint32(st.Ino) != inode {
		return false, nil
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		if own(inode) { // without CAP_SYS_ADMIN the thread stays where it is
			return true, nil
		}
		return false, os.NewSyscallError("setns", err)
	}
	return true, nil
}

// gone reports whether an error means that a process or file no longer exists, or that a
// descriptor is no longer a socket.
func gone(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ESRCH, unix.EBADF, unix.ENOTTY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func own(inode uint32) bool { return link("/proc/thread-self/ns/net") == inode }

// find returns the namespaces by number, with files that stand for each, maxOpeners at most.
// A thread can be in another namespace than its process.
func find(proc string) map[uint32][]string {
	found := map[uint32][]string{}
	add := func(inode uint32, path string) {
		if inode != 0 && len(found[inode]) < maxOpeners {
			found[inode] = append(found[inode], path)
		}
	}
	mounts, _ := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	for s := bufio.NewScanner(bytes.NewReader(mounts)); s.Scan(); {
		add(mounted(s.Text()))
	}
	for _, process := range numbered(proc) {
		var last uint32 // once for each process, whose threads all end together
		for _, thread := range numbered(filepath.Join(process, "task")) {
			path := filepath.Join(thread, "ns/net")
			if inode := link(path); inode != last {
				add(inode, path)
				last = inode
			}
		}
	}
	return found
}

// numbered returns the folders in dir whose name is a number. A folder that cannot be read
// has no namespaces to show.
func numbered(dir string) (paths []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name(), 10, 32); err == nil {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// link reads the number in a link of /proc/PID/ns, 0 if it does not exist.
func link(path string) uint32 {
	target, err := os.Readlink(path)
	if err != nil {
		return 0
	}
	return number(target)
}

// number reads net:[4026531840].
func number(name string) uint32 {
	name, isNet := strings.CutPrefix(name, "net:[")
	n, err := strconv.ParseUint(strings.TrimSuffix(name, "]"), 10, 32)
	if !isNet || err != nil {
		return 0
	}
	return uint32(n)
}

// mounted parses a line of mountinfo (proc_pid_mountinfo(5)): the root within the file system
// nsfs, and where it is mounted.
func mounted(line string) (inode uint32, path string) {
	const root, point = 3, 4
	fields := strings.Fields(line)
	if len(fields) <= point {
		return 0, ""
	}
	return number(fields[root]), unescape(fields[point])
}

// unescape replaces the octal numbers that stand for blanks and backslashes (\040).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Open is how many sockets have a key, tx first, as a network namespace counts them
// (TlsCurrTxSw and similar).
type Open struct {
	Software, Card [2]int // those that the kernel's software, and a network card, seals or opens
}

// OpenTLS reads the current namespace's count. Without kernel TLS it is zero.
func OpenTLS() (Open, error) {
	b, err := os.ReadFile("/proc/thread-self/net/tls_stat")
	if errors.Is(err, fs.ErrNotExist) {
		return Open{}, nil
	}
	if err != nil {
		return Open{}, fmt.Errorf("read the kernel's count of TLS sockets: %w", err)
	}
	return openOf(b), nil
}

func openOf(stat []byte) (o Open) {
	places := map[string]*int{
		"TlsCurrTxSw": &o.Software[0], "TlsCurrRxSw": &o.Software[1], "TlsCurrTxDevice": &o.Card[0], "TlsCurrRxDevice": &o.Card[1],
	}
	for s := bufio.NewScanner(bytes.NewReader(stat)); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) == 2 && places[fields[0]] != nil {
			*places[fields[0]], _ = strconv.Atoi(fields[1]) // no number is nothing to miss
		}
	}
	return o
}
