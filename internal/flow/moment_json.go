package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// momentJSON has the fields of whichever event it is.
type momentJSON struct {
	Type   string    `json:"type"`
	Mono   uint64    `json:"mono_ns"`
	Host   string    `json:"host,omitempty"`
	Sock   *sockJSON `json:"sock,omitempty"`
	Proc   *procJSON `json:"process,omitempty"`
	Dir    string    `json:"dir,omitempty"`
	Seq    *uint64   `json:"seq,omitempty"`
	State  string    `json:"state,omitempty"`
	Kind   string    `json:"content_type,omitempty"`
	Level  string    `json:"alert_level,omitempty"`
	Alert  string    `json:"alert_description,omitempty"`
	Msg    string    `json:"handshake_type,omitempty"`
	Hint   string    `json:"hint,omitempty"`
	Errno  string    `json:"errno,omitempty"`
	Func   string    `json:"func,omitempty"`
	Option string    `json:"option,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Cause  string    `json:"cause,omitempty"`
	Count  uint64    `json:"count,omitempty"`
	First  *uint64   `json:"first,omitempty"`
	LastNo *uint64   `json:"last,omitempty"`
}

func momentOf(ev event.Event) momentJSON {
	j := readMoment(ev)
	j.Host = event.HostOf(ev)
	return j
}

func readMoment(ev event.Event) momentJSON {
	switch ev := ev.(type) {
	case *event.Record:
		return controlOf(ev)
	case *event.Socket:
		p := procOf(&ev.Proc)
		return momentJSON{Type: "socket", Mono: ev.Mono, Sock: sockOf(&ev.Conn), Proc: &p, State: ev.State.String()}
	case *event.Error:
		p := procOf(&ev.Proc)
		j := momentJSON{
			Type: "error", Mono: ev.Mono, Sock: sockOf(&ev.Conn), Proc: &p, Dir: ev.Dir.String(), Seq: &ev.Seq,
			Kind: ev.Type.String(), Errno: event.ErrnoName(ev.Errno), Func: ev.Func, Option: ev.Option.String(),
		}
		if ev.More > 0 {
			j.Count = 1 + uint64(ev.More)
		}
		if ev.Hint != nil {
			j.Hint = ev.Hint.ID
		}
		return j
	case *event.Drop:
		p := procOf(&ev.Proc)
		return momentJSON{Type: "dropped", Mono: ev.Mono, Sock: sockOf(&ev.Conn), Proc: &p, Dir: event.RX.String(), Seq: &ev.Seq,
			Kind: ev.Type.String(), Reason: ev.Reason.String(), Count: ev.Count}
	case *event.Lost:
		j := momentJSON{Type: "lost", Mono: ev.Mono, Sock: sockOf(ev.Conn), Cause: ev.Cause, Count: ev.Count}
		if ev.Conn != nil || ev.HasDir {
			j.Dir = ev.Dir.String()
		}
		if ev.Conn != nil {
			j.First, j.LastNo = &ev.First, &ev.Last
		}
		return j
	case *event.Host:
		return momentJSON{Type: "host", Mono: ev.Mono, State: ev.State.String(), Reason: ev.Reason}
	}
	return momentJSON{}
}

func controlOf(r *event.Record) momentJSON {
	p := procOf(&r.Proc)
	j := momentJSON{
		Type: "record", Mono: r.Mono, Sock: sockOf(&r.Conn), Proc: &p, Dir: r.Dir.String(), Seq: &r.Seq, Kind: r.Type.String(),
	}
	if r.Unsent {
		j.Type = "unsent"
	}
	switch {
	case r.Control == nil:
	case r.Type == event.Alert:
		j.Level, j.Alert = event.AlertLevel(r.Control.AlertLevel), event.AlertDescription(r.Control.AlertDescription)
	case r.Type == event.Handshake:
		j.Msg = r.Control.FirstMessage()
	}
	return j
}
