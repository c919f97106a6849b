package facts

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Attributes and values of inet_diag.h and tls.h that x/sys lacks.
const (
	inetDiagULPInfo = 19 // INET_DIAG_ULP_INFO
	extInfo         = 2  // 1 << (INET_DIAG_INFO - 1), without which there is no ULP_INFO
	ulpInfoName     = 1  // INET_ULP_INFO_NAME
	ulpInfoTLS      = 2  // INET_ULP_INFO_TLS
	tlsInfoVersion  = 1  // TLS_INFO_VERSION
	tlsInfoCipher   = 2
	tlsInfoTXConf   = 3
	tlsInfoRXConf   = 4
	inetDiagMsgLen  = 72 // struct inet_diag_msg
	stateListen     = 10 // TCP_LISTEN
	attributeType   = 1<<14 - 1
)

// Sockets lists the TCP sockets of each network namespace that has a process, with
// their owners. It needs root for other namespaces and the processes of others.
func (r Root) Sockets(notSeen *[]string) []doctor.Socket {
	owners := r.owners()
	var all []doctor.Socket
	seen := map[uint32]bool{}
	failed := 0
	for _, pid := range r.pids() {
		id := strconv.Itoa(pid)
		inode := r.nsInode(id, "net")
		if inode == 0 || seen[inode] {
			continue
		}
		found, err := socketsOf(r.path("proc", id, "ns/net"), inode == r.nsInode("self", "net"))
		if err != nil && !os.IsNotExist(err) {
			failed++
		}
		if err == nil || !os.IsNotExist(err) {
			seen[inode] = true
		}
		for i := range found {
			found[i].NetNS, found[i].PIDs = inode, owners[found[i].Inode]
		}
		all = append(all, found...)
	}
	if failed > 0 {
		*notSeen = append(*notSeen, fmt.Sprintf("sockets of other network namespaces (%d): %s", failed, r.missing(unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN")))
	}
	return all
}

// owners are the processes that have each socket open.
func (r Root) owners() map[uint32][]int {
	owners := map[uint32][]int{}
	for _, pid := range r.pids() {
		dir := r.path("proc", strconv.Itoa(pid), "fd")
		fds, _ := os.ReadDir(dir) // it may be gone, or belong to another user
		for _, fd := range fds {
			link, err := os.Readlink(dir + "/" + fd.Name())
			if err != nil || !strings.HasPrefix(link, "socket:[") {
				continue
			}
			inode, err := strconv.ParseUint(link[len("socket:["):len(link)-1], 10, 32)
			if err == nil {
				owners[uint32(inode)] = append(owners[uint32(inode)], pid)
			}
		}
	}
	return owners
}

// socketsOf queries sock_diag(7) in a namespace. It need not enter the process's own.
func socketsOf(file string, own bool) (all []doctor.Socket, err error) {
	at := netns.None()
	if !own {
		if at, err = netns.GetFromPath(file); err != nil {
			return nil, err
		}
		defer at.Close()
	}
	socket, err := nl.GetNetlinkSocketAt(at, netns.None(), unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		req := nl.NewNetlinkRequest(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_INET_DIAG: {Socket: socket}}
		req.AddData(diagRequest(family))
		err := req.ExecuteIter(unix.NETLINK_INET_DIAG, 0, func(msg []byte) bool {
			if s, ok := socketOf(msg); ok {
				all = append(all, s)
			}
			return true
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// diagRequest is a struct inet_diag_req_v2 of all TCP sockets of a family.
type diagRequest uint8

func (f diagRequest) Len() int { return 56 }

func (f diagRequest) Serialize() []byte {
	b := make([]byte, 56)
	b[0], b[1], b[2] = uint8(f), unix.IPPROTO_TCP, extInfo
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0)) // any state
	return b
}

// socketOf reads a struct inet_diag_msg and its attributes.
func socketOf(b []byte) (s doctor.Socket, ok bool) {
	if len(b) < inetDiagMsgLen {
		return s, false
	}
	address := func(at int) netip.Addr {
		if b[0] == unix.AF_INET {
			return netip.AddrFrom4([4]byte(b[at:]))
		}
		return netip.AddrFrom16([16]byte(b[at:])).Unmap()
	}
	s.Local = netip.AddrPortFrom(address(8), binary.BigEndian.Uint16(b[4:]))
	s.Remote = netip.AddrPortFrom(address(24), binary.BigEndian.Uint16(b[6:]))
	s.Listen = b[1] == stateListen
	s.Cookie = uint64(binary.NativeEndian.Uint32(b[44:])) | uint64(binary.NativeEndian.Uint32(b[48:]))<<32
	s.Inode = binary.NativeEndian.Uint32(b[68:])
	s.Closed = s.Inode == 0
	ulp := attributes(attributes(b[inetDiagMsgLen:])[inetDiagULPInfo])
	s.ULP = strings.TrimRight(string(ulp[ulpInfoName]), "\x00")
	tls := attributes(ulp[ulpInfoTLS])
	s.Version, s.Cipher = event.Version(number(tls[tlsInfoVersion])), event.Cipher(number(tls[tlsInfoCipher]))
	s.TX, s.RX = mode(tls[tlsInfoTXConf]), mode(tls[tlsInfoRXConf])
	return s, true
}

func attributes(b []byte) map[uint16][]byte {
	found := map[uint16][]byte{}
	all, _ := nl.ParseRouteAttr(b) // the kernel's, or without owner
	for _, a := range all {
		found[a.Attr.Type&attributeType] = a.Value
	}
	return found
}

func number(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.NativeEndian.Uint16(b)
}

// mode translates TLS_CONF_*: BASE, SW, HW, HW_RECORD.
func mode(b []byte) event.Mode {
	if n := number(b); n >= 2 && n <= 4 {
		return event.Mode(n - 1)
	}
	return event.ModeNone
}
