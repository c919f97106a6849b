package inspect

import (
	"bytes"
	"testing"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// FuzzSaid begins a conversation of a dialect, and continues with arbitrary bytes, in
// records some of which are lost or cut. Nothing may panic, be held at the end, grow
// with claimed lengths, or reach a terminal.
func FuzzSaid(f *testing.F) {
	for _, cases := range saidCases {
		for _, c := range cases {
			for i, one := range c.say {
				f.Add(uint8(i), c.port, []byte(one[1:]), uint8(3*i))
			}
		}
	}
	for _, short := range shortMySQL {
		f.Add(uint8(5), uint16(3306), []byte(my(0, "\x0e\x00")+short), uint8(60))
	}
	f.Fuzz(func(t *testing.T, which uint8, port uint16, raw []byte, size uint8) {
		if len(raw) > 1<<14 {
			return
		}
		fd := newFeed(t, Config{})
		fd.conn.LPort = port
		openers := openers()
		converse(fd.both(), openers[int(which)%len(openers)].say[:1], 1<<14)
		came := fd.in.held
		for i := 0; len(raw) > 0; i++ {
			n := min(int(size)%61+int(raw[0]&3)+1, len(raw))
			d := event.Dir(raw[0] >> 1 & 1)
			switch raw[0] >> 2 {
			case 11:
				fd.lose(d)
			case 12:
				fd.sendCut(d, string(raw[:n]), n/2)
			default:
				fd.send(d, string(raw[:n]))
			}
			raw = raw[n:]
			if came += n + recordCost; fd.in.held > came {
				t.Fatalf("%d bytes are held, %d came", fd.in.held, came)
			}
		}
		out := fd.close()
		checkText(t, out.text)
		for line := range bytes.Lines(out.text) {
			if s := string(bytes.TrimSuffix(line, []byte("\n"))); safe.String(s) != s {
				t.Errorf("%q is not fit for a terminal", s)
			}
		}
		for _, x := range out.said {
			if max(len(x.Detail), len(x.Status), len(x.ID), len(x.Op)) > 3*(maxDetail+maxWord) {
				t.Errorf("%+v", x)
			}
		}
	})
}

// saidCases are the conversations of all dialects.
var saidCases = [][]saidCase{redisCases, smtpCases, pop3Cases, imapCases, postgresqlCases, mysqlCases}

// openers are the first conversation of each dialect.
func openers() (all []saidCase) {
	for _, cases := range saidCases {
		all = append(all, cases[0])
	}
	return all
}
