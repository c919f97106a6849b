//go:build gobpf

package learn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// How much of a structure is searched.
const (
	sockSize = 3072 // struct tcp_sock
	ctxSize  = 640  // struct tls_context
	privSize = 384  // struct tls_sw_context_tx
)

// chain leads from a tls_context to the plaintext of its open record: where the context
// points to its sending half, where that points to the record, and how far after the
// record's beginning the plaintext's struct sk_msg is.
type chain struct{ priv, openRec, message int }

// pushed has the arguments of the kernel's functions for one record.
type pushed struct{ verdict, push *seen }

func (n *learner) learnSend() error {
	runtime.LockOSThread() // the samples are of one task
	defer runtime.UnlockOSThread()
	for i := range samples {
		if err := n.withConnection(i, func(k *connection) error { return n.sampleSend(k, samples[i].typ, 1000+37*i) }); err != nil {
			return err
		}
	}
	if err := n.need("inet_connection_sock.icsk_ulp_data", "msghdr.msg_flags", "task_struct.flags"); err != nil {
		return err
	}
	c, ok := n.chains.only()
	if !ok {
		return fmt.Errorf("the open record (%d places)", len(n.chains.remaining))
	}
	n.Layout.Set("tls_context.priv_ctx_tx", c.priv)
	n.Layout.Set("tls_sw_context_tx.open_rec", c.openRec)
	n.Layout.Set("tls_rec.msg_plaintext", c.message)
	n.Layout.Set("sk_msg.sg", 0)
	n.Layout.Set("msghdr.msg_iter", 0)
	return errors.Join(n.settings("tx_type_arg", "orig_ax_back"), n.learnPlaintext(), n.resolveList(c), n.learnKeys())
}

// settings resolves the values that become constants of the programs.
func (n *learner) settings(names ...string) error {
	var errs []error
	for _, name := range names {
		v, ok := n.resolved(name)
		if !ok {
			errs = append(errs, fmt.Errorf("%s %s", name, n.ambiguity(name)))
		}
		n.Settings[name] = uint64(v)
	}
	return errors.Join(errs...)
}

// sampleSend sends records of known types and lengths.
func (n *learner) sampleSend(k *connection, typ byte, size int) error {
	if err := n.forget(probeVerdict, probePush, probeSendmsg); err != nil {
		return err
	}
	if err := k.send(typ, pattern(size, typ)); err != nil {
		return err
	}
	v, err := n.last(probeVerdict)
	if err != nil {
		return fmt.Errorf("bpf_exec_tx_verdict: %w", err)
	}
	p, err := n.last(probePush)
	if err != nil {
		return fmt.Errorf("tls_push_sg: %w", err)
	}
	if v.arg[1] != k.a.sk || p.arg[0] != k.a.sk {
		return errors.New("bpf_exec_tx_verdict and tls_push_sg do not get the socket where other kernels do")
	}
	n.note("tx_type_arg", argumentsEqual(v, 2, 4, uint32(typ)))
	n.pushes = append(n.pushes, pushed{v, p})
	ctx := p.arg[1]
	n.note("inet_connection_sock.icsk_ulp_data", n.peek(k.a.sk, sockSize).find64(ctx))
	n.sampleContext(k, "a", "tx", ctx)
	n.noteTask(v)
	return errors.Join(n.sampleFlags(k), n.sampleChain(k, ctx))
}

// argumentsEqual returns which of the arguments from to to have a 32-bit value; of the
// type, only the low byte is certain.
func argumentsEqual(s *seen, from, to int, v uint32) (at []int) {
	for i := from; i <= to; i++ {
		if uint32(s.arg[i]) == v || v > 1 && uint8(s.arg[i]) == uint8(v) {
			at = append(at, i)
		}
	}
	return at
}

// sampleContext looks for the parts of a tls_context that describe the connection; side
// is the end, dir the direction that has keys.
func (n *learner) sampleContext(k *connection, side, dir string, ctx uint64) {
	m := n.peek(ctx, ctxSize)
	pair := binary.NativeEndian.AppendUint16(nil, k.info.Version)
	pair = binary.NativeEndian.AppendUint16(pair, uint16(k.info.Cipher))
	n.note("pair."+side, m.find(pair, 2))
	n.note(dir+".array", m.find(k.next(), 1))
	var pointers []int
	for _, at := range m.pointers() {
		if b := n.peek(m.u64(at), 8); b != nil && string(b) == string(k.next()) {
			pointers = append(pointers, at)
		}
	}
	n.note(dir+".pointer", pointers)
	n.note("conf."+side, m[:64].find8(map[string]byte{"a": 1, "b": 8}[side]))
}

// noteTask looks for the flags of this task, which /proc shows.
func (n *learner) noteTask(s *seen) {
	b, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		return
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	flags, err := strconv.ParseUint(fields[6], 10, 32)
	if err == nil {
		n.note("task_struct.flags", n.peek(s.task, 512).find32(uint32(flags)))
	}
}

// sampleFlags sends with different flags, by two system calls.
func (n *learner) sampleFlags(k *connection) error {
	b := pattern(91, 3)
	for _, flags := range []int{unix.MSG_NOSIGNAL, unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, unix.MSG_NOSIGNAL | unix.MSG_EOR} {
		for _, send := range []func() error{
			func() error { return unix.Send(k.a.fd, b, flags) },
			func() error { _, err := unix.SendmsgN(k.a.fd, b, nil, nil, flags); return err },
		} {
			if err := send(); err != nil {
				if flags&unix.MSG_EOR != 0 {
					continue // not every kernel accepts it
				}
				return os.NewSyscallError("send", err)
			}
			k.sent++
			s, err := n.last(probeSendmsg)
			if err != nil {
				return fmt.Errorf("tls_sw_sendmsg: %w", err)
			}
			n.note("msghdr.msg_flags", s.mem[1].find32(uint32(flags)))
		}
	}
	if err := unix.Send(k.a.fd, b, 0); err != nil {
		return os.NewSyscallError("send", err)
	}
	k.sent++
	v, err := n.last(probeVerdict)
	if err != nil {
		return err
	}
	n.note("orig_ax_back", callNumber(v.stack, k.a.fd, b))
	return nil
}

// sampleChain leaves a record open, follows all pointers from the context, closes the
// record and finds its sk_msg among them.
func (n *learner) sampleChain(k *connection, ctx uint64) error {
	if err := unix.Send(k.a.fd, pattern(60, 4), unix.MSG_MORE); err != nil {
		return os.NewSyscallError("send", err)
	}
	ends := map[chain]uint64{}
	m := n.peek(ctx, ctxSize)
	for _, at := range m.pointers() {
		half := n.peek(m.u64(at), privSize)
		for _, rec := range half.pointers() {
			ends[chain{priv: at, openRec: rec}] = half.u64(rec)
		}
	}
	if err := n.forget(probeVerdict); err != nil {
		return err
	}
	if err := unix.Send(k.a.fd, pattern(10, 5), 0); err != nil {
		return os.NewSyscallError("send", err)
	}
	k.sent++
	v, err := n.last(probeVerdict)
	if err != nil {
		return err
	}
	var places []chain
	for c, end := range ends {
		if message := v.arg[0] - end; message > 0 && message < 256 {
			c.message = int(message)
			places = append(places, c)
		}
	}
	n.chains.add(places)
	return nil
}

// list is where the list of sealed records is in the sending half, and where a record
// has its links.
type list struct{ head, node int }

// resolveList: while the only record is passed to TCP, the list's head points to it,
// forwards and backwards.
func (n *learner) resolveList(c chain) error {
	var lists candidates[list]
	for _, p := range n.pushes {
		var places []list
		half := memory(nil)
		if c.priv/8 < len(p.push.far) {
			half = p.push.far[c.priv/8]
		}
		rec := p.verdict.arg[0] - uint64(c.message)
		for _, head := range half.pointers() {
			if node := half.u64(head) - rec; node < 64 && half.u64(head+8) == half.u64(head) {
				places = append(places, list{head, int(node)})
			}
		}
		lists.add(places)
	}
	at, ok := lists.only()
	if !ok {
		return fmt.Errorf("the list of sealed records (%d places)", len(lists.remaining))
	}
	n.Layout.Set("tls_sw_context_tx.tx_list", at.head)
	n.Layout.Set("tls_rec.list", at.node)
	return nil
}
