package loader

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

func TestConfigCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want string // in the error, empty for none
	}{
		{"zero", Config{}, ""},
		{"largest snaplen", Config{Snaplen: MaxSnaplen}, ""},
		{"snaplen too large", Config{Snaplen: MaxSnaplen + 1}, "snaplen 16385 is outside 0 to 16384"},
		{"snaplen below 0", Config{Snaplen: -1}, "snaplen -1"},
		{"smallest rings", Config{RingBytes: 4096, PayloadRingBytes: 4096}, ""},
		{"half a page", Config{RingBytes: 2048}, "power of two from 4096"},
		{"not a power of two", Config{RingBytes: 12288}, "ring of 12288 bytes"},
		{"negative", Config{RingBytes: -4096}, "ring of -4096 bytes"},
		{"too large", Config{RingBytes: 1 << 32}, "ring of 4294967296 bytes"},
		{"payload ring", Config{PayloadRingBytes: 5000}, "ring of 5000 bytes"},
		{"backend", Config{Backend: BackendEBPF}, ""},
		{"all records sampled", Config{Sample: &Sampling{Every: 1}}, ""},
		{"sampling none", Config{Sample: &Sampling{}}, "one record in 0"},
		{"sampling too few", Config{Sample: &Sampling{Every: MaxSample + 1}}, "more than 1000000"},
		{"sampled sums", Config{Sample: &Sampling{Every: 1}, Aggregate: true}, "the sums count every record"},
		{"slow records", Config{Slow: time.Second, Aggregate: true}, ""},
		{"slow records without sums", Config{Slow: time.Second}, "without sums in the kernel each record is one"},
		{"slower than never", Config{Slow: -time.Second, Aggregate: true}, "a time is 0 or more"},
		{"unknown backend", Config{Backend: "bcc"}, `unknown backend "bcc": auto, ebpf or gobpf`},
	} {
		err := c.cfg.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRingSizes(t *testing.T) {
	for _, c := range []struct {
		name          string
		cfg           Config
		ring, payload uint32
	}{
		{"metadata only", Config{}, defaultRing, uint32(object.PageSize)},
		{"metadata only, sizes given", Config{RingBytes: 1 << 20, PayloadRingBytes: 1 << 21}, 1 << 20, uint32(object.PageSize)},
		{"payload", Config{Snaplen: 1}, defaultRing, defaultPayloadRing},
		{"payload, sizes given", Config{Snaplen: 1, RingBytes: 1 << 20, PayloadRingBytes: 1 << 21}, 1 << 20, 1 << 21},
	} {
		if r, p := c.cfg.ring(), c.cfg.payloadRing(); r != c.ring || p != c.payload {
			t.Errorf("%s: %d and %d, want %d and %d", c.name, r, p, c.ring, c.payload)
		}
	}
}

func TestOptionsReachThePrograms(t *testing.T) {
	uid, rx := uint32(1000), event.RX
	s := objecttest.Object(t)
	cfg := Config{Snaplen: 256, RingBytes: 1 << 20, Filter: Filter{
		PIDs: []uint32{1, 2}, Comms: []string{"nginx"}, UID: &uid, NetNS: 4026531840, Port: 443, Dir: &rx}}
	if err := setOptions(s, &cfg); err != nil {
		t.Fatal(err)
	}
	g, err := divide(s, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	if events := s.Maps["events"].MaxEntries; events != g.Slots {
		t.Errorf("the ring has %d slots, want %d", events, g.Slots)
	}
	for name, want := range map[string]uint32{
		"ring_mask": g.Slots - 1, "ring_room": g.Capacity, "data_room": g.Capacity - g.Capacity/8,
		"snaplen": 256, "want_pids": 2, "want_comm": 1, "want_uid_set": 1, "want_uid": 1000,
		"want_netns": 4026531840, "want_port": 443, "want_dir": 2, "live": 0,
	} {
		expectVariable(t, s, "options", name, want)
	}
	expectVariable(t, s, "options", "nr_sendfile", int32(unix.SYS_SENDFILE))
	expectVariable(t, s, "options", "nr_splice", int32(unix.SYS_SPLICE))
}

func TestNoOptions(t *testing.T) {
	s := objecttest.Object(t)
	if err := setOptions(s, &Config{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"snaplen", "want_pids", "want_comm", "want_uid_set", "want_netns", "want_port", "want_dir"} {
		expectVariable(t, s, "no options", name, uint32(0))
	}
	expectVariable(t, s, "no options", "want_cgroup", uint64(0))
}

// User 0 and direction tx are 0: a filter for them is still a filter.
func TestFilterByZero(t *testing.T) {
	root, tx := uint32(0), event.TX
	s := objecttest.Object(t)
	if err := setOptions(s, &Config{Filter: Filter{UID: &root, Dir: &tx}}); err != nil {
		t.Fatal(err)
	}
	expectVariable(t, s, "uid 0", "want_uid_set", uint32(1))
	expectVariable(t, s, "dir tx", "want_dir", uint32(1))
}

func TestFilterByCgroup(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: dir, dir + "/absent": "absent"} {
		if err := setOptions(objecttest.Object(t), &Config{Filter: Filter{Cgroup: path}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that names it", path, err)
		}
	}
	if _, _, err := cgroupID(dir + "/absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := cgroupLevel(dir); err == nil || !strings.Contains(err.Error(), "/sys/fs/cgroup") {
		t.Errorf("got %v, want a hint where to look", err)
	}
}

func TestMatchSocket(t *testing.T) {
	uid, other, tx, rx := uint32(33), uint32(0), event.TX, event.RX
	s := event.Socket{
		TX:   event.TLS{Mode: event.ModeSW},
		Conn: event.Conn{NetNS: 9, LPort: 443, RPort: 51234},
		Proc: event.Process{PID: 42, UID: 33, Comm: event.MakeComm("nginx")},
	}
	for _, c := range []struct {
		name string
		f    Filter
		want bool
	}{
		{"empty", Filter{}, true},
		{"pid", Filter{PIDs: []uint32{1, 42}}, true},
		{"other pids", Filter{PIDs: []uint32{1, 2}}, false},
		{"name", Filter{Comms: []string{"curl", "nginx"}}, true},
		{"other name", Filter{Comms: []string{"curl"}}, false},
		{"beginning of the name", Filter{Comms: []string{"ngin"}}, false},
		{"user", Filter{UID: &uid}, true},
		{"other user", Filter{UID: &other}, false},
		{"namespace", Filter{NetNS: 9}, true},
		{"other namespace", Filter{NetNS: 8}, false},
		{"local port", Filter{Port: 443}, true},
		{"remote port", Filter{Port: 51234}, true},
		{"other port", Filter{Port: 80}, false},
		{"a direction with a key", Filter{Dir: &tx}, true},
		{"a direction without a key", Filter{Dir: &rx}, false},
		{"the cgroup is the kernel's", Filter{Cgroup: "/sys/fs/cgroup/x"}, true},
		{"all match", Filter{PIDs: []uint32{42}, Comms: []string{"nginx"}, UID: &uid, NetNS: 9, Port: 443}, true},
		{"all but one match", Filter{PIDs: []uint32{42}, Comms: []string{"nginx"}, UID: &uid, NetNS: 9, Port: 80}, false},
	} {
		if got := c.f.MatchSocket(&s); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestLoadError(t *testing.T) {
	var unsupported *UnsupportedError
	if err := loadError(unix.EPERM); !errors.As(err, &unsupported) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "root") {
		t.Errorf("EPERM gives %v", err)
	}
	if err := loadError(unix.EINVAL); errors.As(err, &unsupported) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("EINVAL gives %v", err)
	}
}

// Open says what is wrong with the configuration before it looks at the machine.
func TestOpenChecksFirst(t *testing.T) {
	if _, err := Open(t.Context(), Config{Snaplen: -1}); err == nil || !strings.Contains(err.Error(), "snaplen") {
		t.Errorf("got %v", err)
	}
}

func TestTier(t *testing.T) {
	for snaplen, want := range map[int]event.Tier{0: event.TierNone, 1: event.TierSnap} {
		if got := (&Tracer{snaplen: snaplen}).Tier(); got != want {
			t.Errorf("snaplen %d is tier %v", snaplen, got)
		}
	}
}

func TestClock(t *testing.T) {
	before := Monotonic()
	if after := Monotonic(); before == 0 || after < before {
		t.Errorf("%d comes after %d", after, before)
	}
	if WallOffset() <= 0 {
		t.Errorf("the machine was started %v before 1970", WallOffset())
	}
}

// expectVariable compares a constant of the programs, whatever its width.
func expectVariable[T uint32 | int32 | uint64](t *testing.T, s *ebpf.CollectionSpec, about, name string, want T) {
	t.Helper()
	var got T
	v := s.Variables[name]
	if v == nil {
		t.Errorf("%s: the object has no variable %s", about, name)
		return
	}
	if err := v.Get(&got); err != nil || got != want {
		t.Errorf("%s: %s is %d (%v), want %d", about, name, got, err, want)
	}
}
