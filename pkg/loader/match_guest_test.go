package loader

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/match/matchtest"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/compile"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// matcher is the program match_once with one expression in it.
type matcher struct {
	prog *ebpf.Program
	expr *match.Expr
}

func needGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("KTLSTOP_GUEST") == "" {
		t.Skip("loads BPF programs: run it in a guest with make vmtest")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
}

// kernelTypes is read once: it takes longer than all else here.
var kernelTypes = sync.OnceValue(func() *btf.Spec {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		panic(err)
	}
	return spec
})

// matchOnce is the object with nothing in it but the program match_once and
// what that needs, read once too.
var matchOnce = sync.OnceValue(func() *ebpf.CollectionSpec {
	spec, err := object.LoadKtls()
	if err != nil {
		panic(err)
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != "match_once" })
	for name, m := range spec.Maps {
		switch m.Type {
		case ebpf.RingBuf:
			m.MaxEntries = uint32(object.PageSize)
		case ebpf.Array: // some hundred of them are there at a time
			m.MaxEntries = 1
		case ebpf.Hash: // none of its business, and slow to make
			delete(spec.Maps, name)
		}
	}
	return spec
})

func newMatcher(t *testing.T, text string) *matcher {
	t.Helper()
	e, err := match.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	spec := matchOnce().Copy()
	if err := compile.Into(spec, e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: kernelTypes()}})
	if err != nil {
		t.Fatalf("%s: the kernel refuses the program: %+v", text, err)
	}
	t.Cleanup(coll.Close)
	return &matcher{coll.Programs["match_once"], e}
}

// run asks the kernel about an event and a plaintext.
func (m *matcher) run(t *testing.T, e, plaintext []byte) (before, done uint32) {
	t.Helper()
	ctx := binary.NativeEndian.AppendUint64(append([]byte(nil), e...), uint64(uintptr(unsafe.Pointer(unsafe.SliceData(plaintext)))))
	ctx = append(ctx, make([]byte, 8)...)
	out := make([]byte, len(ctx))
	if _, err := m.prog.Run(&ebpf.RunOptions{Context: ctx, ContextOut: out}); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(plaintext)
	return binary.NativeEndian.Uint32(out[wire.EventSize+8:]), binary.NativeEndian.Uint32(out[wire.EventSize+12:])
}

// expected is what the reference says that the kernel must answer: before the
// plaintext is copied, and when the event is complete.
func expected(e *match.Expr, r *event.Record, flags uint8) (before, done uint32) {
	before, done = 1, compile.Yes
	rx := r.Dir == event.RX
	s := match.OfRecord(r)
	for _, n := range e.Conjuncts() {
		needs := match.NeedsOf(n)
		holds := (&match.Expr{Root: n}).Eval(&s) == match.Yes
		ask := needs&match.NeedsUser != 0 ||
			needs&(match.NeedsPlaintext|match.NeedsDecrypt) != 0 && flags&wire.FlagAsync != 0 && rx
		early := needs&match.NeedsTimes == 0 && (needs&match.NeedsCall == 0 || !rx)
		switch {
		case ask:
			if done == compile.Yes {
				done = compile.Ask
			}
		case !holds:
			done = compile.No
			if early {
				before = 0
			}
		}
	}
	return before, done
}

// check compares kernel and reference on one event.
func (m *matcher) check(t *testing.T, b, plaintext []byte) (answer uint32) {
	t.Helper()
	binary.NativeEndian.PutUint32(b[unsafe.Offsetof(wire.Event{}.Rec)+unsafe.Offsetof(wire.Rec{}.Len):], uint32(len(plaintext)))
	var w wire.Event
	if err := w.Decode(b); err != nil {
		t.Fatal(err)
	}
	var r event.Record
	w.Record(&r)
	r.Payload = plaintext
	wantBefore, want := expected(m.expr, &r, w.Flags)
	before, done := m.run(t, b, plaintext)
	if before != wantBefore || done != want {
		t.Errorf("%s: the kernel says %d and %d, the reference %d and %d, of %+v flags %#x payload %.40q", m.expr, before, done, wantBefore, want, r, w.Flags, plaintext)
	}
	return done
}

func TestKernelMatchesAsReference(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	r := rand.New(rand.NewPCG(1, 2))
	answers := map[uint32]int{}
	for _, text := range matchtest.Expressions {
		m := newMatcher(t, text)
		for range 40 {
			answers[m.check(t, randomEvent(r), randomPlaintext(r))]++
		}
	}
	t.Logf("answers no, yes, ask: %v", answers)
	if answers[compile.No] == 0 || answers[compile.Yes] == 0 || answers[compile.Ask] == 0 {
		t.Error("the records do not distinguish the expressions")
	}
}

func TestVerifierTakesRandomExpressions(t *testing.T) {
	needGuest(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 25 {
		m := newMatcher(t, matchtest.Random(r))
		for range 15 {
			m.check(t, randomEvent(r), randomPlaintext(r))
		}
	}
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// The largest that the limits of the language allow.
func TestVerifierTakesLargestExpressions(t *testing.T) {
	needGuest(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, text := range matchtest.Largest(match.MaxPayload, match.MaxDepth) {
		m := newMatcher(t, text)
		for range 5 {
			m.check(t, randomEvent(r), randomPlaintext(r))
		}
	}
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// randomEvent makes a record's event of values that the expressions ask for,
// and of their neighbours.
func randomEvent(r *rand.Rand) []byte {
	w := wire.Event{
		Layout: wire.Layout, Proto: wire.ProtoTLS,
		Cookie: pick[uint64](r, 0, 8193, 8194, 8195),
		Cgroup: pick[uint64](r, 0, 7731, 1<<32, 1<<32+1),
		Pid:    pick[uint32](r, 0, 1, 4242, 4243), Tid: pick[uint32](r, 0, 1, 4242, 4243),
		Uid: pick[uint32](r, 0, 33, 1<<32-1), Netns: pick[uint32](r, 4026531840, 4026532008),
		Gen:     pick[uint32](r, 0, 1, 2),
		Version: pick[uint16](r, 0x303, 0x304), Cipher: pick[uint16](r, 51, 52, 54),
		Lport: pick[uint16](r, 80, 443, 40001, 65535), Rport: pick[uint16](r, 80, 443, 40001, 65535),
		Kind: wire.KindRecord, Dir: uint8(r.IntN(2)),
		Type: pick[uint8](r, 20, 21, 21, 22, 22, 23, 23, 77),
		Mode: pick[uint8](r, 0, 1, 2, 3), Family: pick[uint8](r, 2, 2, 2, 10, 10, 10, 0),
		Flags: pick[uint8](r, 0, 0, wire.FlagZeroCopy, wire.FlagAsync, wire.FlagPushed) | pick[uint8](r, 0, wire.FlagControl),
		Rec: wire.Rec{
			Seq:         pick[uint64](r, 0, 1, 2, 3, 4, 0x7fffffff, 0x80000000, 0xffffffff, 1<<32, 1<<64-1),
			Op:          uint8(r.IntN(7)),
			CallRecords: pick[uint16](r, 0, 1, 63, 64, 1<<16-1),
			Ctl:         [8]uint8{pick[uint8](r, 0, 1, 2, 24, 20), pick[uint8](r, 0, 20, 112)}, Messages: 1,
		},
	}
	now := uint64(1e12)
	for i := range w.Rec.Stamp {
		if r.IntN(6) > 0 {
			w.Rec.Stamp[i] = now
		}
		now += pick[uint64](r, 0, 1, 5e6, 5e6+1, 3e5, 3e5-1, 1e9, 4e9)
		if r.IntN(12) == 0 {
			now -= 2
		}
	}
	if w.Dir == uint8(event.RX) {
		w.Flags |= pick[uint8](r, 0, 0, wire.FlagReturnLater)
		if event.ContentType(w.Type) == event.ApplicationData {
			binary.NativeEndian.PutUint64(w.Rec.Ctl[:], pick[uint64](r, 0, 1e12-5e6, 1e12+1e6))
		}
	}
	randomAddress(r, w.Family, w.Laddr[:])
	randomAddress(r, w.Family, w.Raddr[:])
	copy(w.Comm[:], pick(r, "nginx", "ngin", "nginxx", "haproxy", "fifteen-letters", "sixteen--letters", "\xff\x1b", "", "nginx\x00y", "aa-1"))
	return w.Bytes()
}

// mappedIPv4 begins an IPv4 address on an IPv6 socket (RFC 4291 section 2.5.5.2).
const mappedIPv4 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"

func randomAddress(r *rand.Rand, family uint8, to []byte) {
	four := pick(r, "\xc0\x00\x02\x01", "\xc0\x00\x02\x81", "\xc0\x00\x03\x01", "\x0a\x00\x00\x01", "\x0b\xff\x00\x01", "\x0c\x00\x00\x00")
	if family == uint8(event.FamilyINET) {
		copy(to, four)
		return
	}
	six := "\x20\x01\x0d\xb8"
	copy(to, pick(r, mappedIPv4+four, six, six+"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", six+"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x20\x02"))
}

// randomPlaintext makes a plaintext around the bounds of what is looked at.
func randomPlaintext(r *rand.Rand) []byte {
	n := pick(r, 0, 1, 3, 4, 99, 100, 255, 256, 257, 300, 4000, 4001)
	var b []byte
	for len(b) < n {
		b = append(b, pick(r, append(matchtest.Pieces, "-", "HEAD", "abcdef", "GET", "passwor")...)...)
		if r.IntN(3) == 0 {
			b = append(b, bytes.Repeat([]byte{'.'}, r.IntN(60))...)
		}
	}
	return b[:n:n]
}
