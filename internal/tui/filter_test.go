package tui

import (
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestFilter(t *testing.T) {
	tr := newTraffic(1)
	r := &flow.Row{
		Info: &flow.Info{
			Conn: tr.conn(3), TLS: [2]event.TLS{{Version: 0x0304, Cipher: 52, Mode: event.ModeSW}, {}},
			Proc: event.Process{PID: 4242, UID: 33, Comm: event.MakeComm("Nginx"), CgroupID: 7, Place: &event.Place{Container: "abc"}},
		},
		Activity: flow.Activity{Totals: event.Totals{Records: [2]uint64{5, 0}}},
	}
	for expr, want := range map[string]bool{
		"":                               true,
		"nginx":                          true,
		"GINX":                           true,
		"apache":                         false,
		"198.51":                         true,
		"443":                            true,
		"gcm-256":                        true,
		"pid==4242":                      true,
		"pid=4242":                       true,
		"pid==424":                       false,
		"pid!=4242":                      false,
		"pid>4241 pid<4243":              true,
		"pid>=4242 && pid<=4242":         true,
		"pid>4242":                       false,
		"comm==Nginx":                    true,
		"comm==nginx":                    false,
		"comm contains gin":              true,
		"comm==ngin":                     false,
		"port==443":                      true,
		"port==40003":                    true,
		"port!=443":                      false,
		"port>50000":                     false,
		"uid==33 cgroup==7":              true,
		"netns==4026531840":              true,
		"container==abc":                 true,
		"addr==198.51.0.3":               true,
		"addr==198.51.0.4":               false,
		"cookie==8195":                   true,
		"dir==tx":                        true,
		"dir==rx":                        false,
		"cipher==aes-gcm-256":            true,
		"version==1.3 mode==sw":          true,
		"mode==hw":                       false,
		"type==alert":                    false,
		"nginx pid==4242 port==1":        false,
		"nginx && (pid==1 or port==443)": true,
		"not nginx":                      false,
		"dir==tx and mode==none":         false,
		"len>0":                          false,
		"not len>0":                      false,
	} {
		f, err := ParseFilter(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if got := f.empty() || f.matchRow(r); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for _, expr := range []string{"foo==1", "==1", "pid>x", "pid<", "a=b", "&& nginx &&"} {
		if _, err := ParseFilter(expr); err == nil {
			t.Errorf("%q is no error", expr)
		}
	}
}

func TestFilterRecordsAndMoments(t *testing.T) {
	s := busy(12, 1)
	for expr, want := range map[string]int{"type==alert": 1, "type==handshk dir==rx": 1, "close_notify": 0, "bad_record_mac": 1, "ring": 1} {
		f, err := ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, m := range moments(s.Moments) {
			if f.matchMoment(&m) {
				got++
			}
		}
		if got != want {
			t.Errorf("%q: %d moments, want %d", expr, got, want)
		}
	}
	f, _ := ParseFilter("type==application_data pid==4001")
	if n := len(pointers(s.Recent)); n == 0 {
		t.Fatal("no records")
	}
	for i := range s.Recent {
		r := &s.Recent[i]
		if got := f.matchRecord(r); got != (r.Proc.PID == 4001 && r.Type == event.ApplicationData) {
			t.Errorf("record %+v: %v", r, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add("pid==4 && comm!=x y")
	row := busy(1, 1).Rows[0]
	f.Fuzz(func(t *testing.T, s string) {
		if filter, err := ParseFilter(s); err == nil {
			filter.matchRow(row)
			filter.matchGroup(&flow.Group{Proc: row.Proc})
		}
	})
}
