package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// process is who did it.
type process struct {
	PID       uint32 `json:"pid"`
	TID       uint32 `json:"tid"`
	UID       uint32 `json:"uid"`
	Comm      string `json:"comm"`
	CgroupID  uint64 `json:"cgroup_id"`
	Container string `json:"container"`
	Unit      string `json:"unit"`

	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       string `json:"pod"`
		Container string `json:"container"`
		PodUID    string `json:"pod_uid"`
	} `json:"k8s"`
}

func (p *process) event() event.Process {
	name, kernel := strings.CutPrefix(p.Comm, "kernel:")
	out := event.Process{PID: p.PID, TID: p.TID, UID: p.UID, Kernel: kernel, CgroupID: p.CgroupID}
	if at := p.place(); at != (event.Place{}) {
		out.Place = &at
	}
	// What was no UTF-8 was one byte each, and is again: so a name of the
	// kernel's length keeps it.
	copy(out.Comm[:], strings.ReplaceAll(name, string(utf8.RuneError), "\xff"))
	return out
}

func (p *process) place() event.Place {
	k := &p.Kubernetes
	return event.Place{Unit: p.Unit, Container: p.Container, Namespace: k.Namespace, Pod: k.Pod, ContainerName: k.Container, PodUID: k.PodUID}
}

func (p *process) check() error {
	k := &p.Kubernetes
	return firstOf(errors.Join(checkWord("container", p.Container), checkWord("unit", p.Unit), checkWord("k8s.namespace", k.Namespace),
		checkWord("k8s.pod", k.Pod), checkWord("k8s.container", k.Container), checkWord("k8s.pod_uid", k.PodUID)))
}

func checkWord(name, s string) error {
	if len(s) > maxWord {
		return fmt.Errorf("%s is %d bytes long: more than %d are no word of ktlstop's", name, len(s), maxWord)
	}
	return nil
}

// connection is which connection it is, and what part of the kernel has it.
type connection struct {
	Sock       *sock  `json:"sock"`
	KernelUser string `json:"kernel_user"`
}

func (c *connection) set(out *event.Conn) error {
	err := c.Sock.set(out)
	out.KernelUser = c.KernelUser
	return errors.Join(err, checkWord("kernel_user", c.KernelUser))
}

// sock is the connection.
type sock struct {
	Cookie uint64 `json:"cookie"`
	NetNS  uint32 `json:"netns"`
	Family string `json:"family"`
	LAddr  string `json:"laddr"`
	LPort  uint16 `json:"lport"`
	RAddr  string `json:"raddr"`
	RPort  uint16 `json:"rport"`
}

func (s *sock) set(c *event.Conn) error {
	if s == nil {
		return errors.New("sock is missing")
	}
	*c = event.Conn{
		ID: s.id(), Cookie: s.Cookie, NetNS: s.NetNS, Family: families[s.Family], LPort: s.LPort, RPort: s.RPort,
	}
	return firstOf(errors.Join(setAddr(&c.LAddr, "laddr", s.LAddr), setAddr(&c.RAddr, "raddr", s.RAddr)))
}

// id is a number for the connection: the recording's own was not written. Taken
// from what the connection is, it needs no table.
func (s *sock) id() uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], s.Cookie)
	binary.LittleEndian.PutUint32(b[8:], s.NetNS)
	binary.LittleEndian.PutUint16(b[12:], s.LPort)
	binary.LittleEndian.PutUint16(b[14:], s.RPort)
	h.Write(b[:])
	h.Write([]byte(s.LAddr + " " + s.RAddr))
	return max(h.Sum64(), 1)
}

func setAddr(a *netip.Addr, name, s string) (err error) {
	if s == "" {
		return nil
	}
	if *a, err = netip.ParseAddr(s); err != nil || a.Zone() != "" {
		return fmt.Errorf("%s %.60q is no address", name, s)
	}
	return nil
}

// side is how one direction is protected, and where a socket event says that it
// stands.
type side struct {
	Version  string `json:"version"`
	Cipher   string `json:"cipher"`
	Mode     string `json:"mode"`
	ZeroCopy bool   `json:"zerocopy"`
	NoPad    bool   `json:"no_pad"`
	Card     string `json:"card"`
	Next     uint64 `json:"next_seq"`
	Gen      uint32 `json:"gen"`
	Driver   string `json:"driver"`
	Async    bool   `json:"async"`
}

func (s *side) driver() event.Driver { return event.Driver{Name: s.Driver, Async: s.Async} }

func (s *side) tls() event.TLS {
	return event.TLS{Version: versions[s.Version], Cipher: ciphers[s.Cipher], Mode: modes[s.Mode], ZeroCopy: s.ZeroCopy, NoPad: s.NoPad, Card: cards[s.Card]}
}

// latency has the stages of both directions; a line has those of its own.
type latency struct {
	Queue   uint64 `json:"queue"`
	Encrypt uint64 `json:"encrypt"`
	Push    uint64 `json:"push"`
	Wait    uint64 `json:"wait"`
	Decrypt uint64 `json:"decrypt"`
	Deliver uint64 `json:"deliver"`
	Total   uint64 `json:"total"`
}

func (l *latency) split(d event.Dir) event.Latency {
	if d == event.RX {
		return event.Latency{Stage: [3]uint64{l.Wait, l.Decrypt, l.Deliver}, Total: l.Total}
	}
	return event.Latency{Stage: [3]uint64{l.Queue, l.Encrypt, l.Push}, Total: l.Total}
}

// pair is what is counted by direction.
type pair struct {
	TX uint64 `json:"tx"`
	RX uint64 `json:"rx"`
}

func (p pair) array() [2]uint64 { return [2]uint64{p.TX, p.RX} }

func setDir(d *event.Dir, s string) (err error) {
	*d, err = event.ParseDir(s)
	return err
}
