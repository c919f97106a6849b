package match

import "github.com/ktlstop/ktlstop/pkg/event"

// numbers returns a field's values: port has two, all others one.
func (s *Subject) numbers(f Field) (v [2]uint64, n int, st state) {
	one := func(known bool, get func() uint64) {
		if n, st = 1, unknown; known {
			v[0], st = get(), present
		}
	}
	switch {
	case f == Event:
		one(s.Kind != 0, func() uint64 { return uint64(s.Kind) })
	case f == Errno:
		return s.errno()
	case f == Dir:
		one(s.Dir != nil, func() uint64 { return uint64(*s.Dir) })
	case f == Type:
		one(s.Type != nil, func() uint64 { return uint64(*s.Type) })
	case f == Seq:
		one(s.Seq != nil, func() uint64 { return *s.Seq })
	case f == Epoch:
		one(s.Epoch != nil, func() uint64 { return uint64(*s.Epoch) })
	case f == Version || f == Cipher || f == Mode || f == Proto:
		one(s.TLS != nil, func() uint64 { return ofTLS(s.TLS, f) })
	case f == PID || f == TID || f == UID || f == Cgroup:
		one(s.Proc != nil, func() uint64 { return ofProcess(s.Proc, f) })
	case f == Port && s.Conn != nil:
		return [2]uint64{uint64(s.Conn.LPort), uint64(s.Conn.RPort)}, 2, present
	case f >= NetNS && f <= RPort:
		one(s.Conn != nil, func() uint64 { return ofConn(s.Conn, f) })
	case s.Record == nil:
		return v, 0, unknown
	default:
		v[0], st = ofRecord(s.Record, f)
		n = 1
	}
	return v, n, st
}

// errno is absent if nothing has failed.
func (s *Subject) errno() (v [2]uint64, n int, st state) {
	switch {
	case s.Kind == 0:
		return v, 1, unknown
	case s.Errno == 0:
		return v, 1, absent
	}
	return [2]uint64{uint64(s.Errno)}, 1, present
}

func ofTLS(t *event.TLS, f Field) uint64 {
	switch f {
	case Version:
		return uint64(t.Version)
	case Cipher:
		return uint64(t.Cipher)
	case Proto:
		return uint64(t.Version.Proto())
	}
	return uint64(t.Mode)
}

func ofProcess(p *event.Process, f Field) uint64 {
	switch f {
	case PID:
		return uint64(p.PID)
	case TID:
		return uint64(p.TID)
	case UID:
		return uint64(p.UID)
	}
	return p.CgroupID
}

func ofConn(c *event.Conn, f Field) uint64 {
	switch f {
	case NetNS:
		return uint64(c.NetNS)
	case Cookie:
		return c.Cookie
	case Family:
		return uint64(c.Family)
	case LPort:
		return uint64(c.LPort)
	}
	return uint64(c.RPort)
}

func ofRecord(r *event.Record, f Field) (uint64, state) {
	switch f {
	case Len:
		return uint64(r.Len), present
	case Gen:
		return uint64(r.Gen), present
	case Op:
		return uint64(r.Op), present
	case Alert, AlertLevel, Handshake:
		return ofControl(r, f)
	case Card:
		if r.TLS.Card == event.CardNotAsked {
			return 0, absent
		}
		return uint64(r.TLS.Card), present
	}
	if f == CallRecords || f == CallTime {
		return ofCall(&r.Call, f)
	}
	return latency(r, f)
}

// ofCall is absent unless a call returned with the record. The time of the call is absent,
// too, if its beginning was not seen.
func ofCall(c *event.Call, f Field) (uint64, state) {
	v := uint64(c.Records)
	if f == CallTime {
		v = c.Time
	}
	if v == 0 {
		return 0, absent
	}
	return v, present
}

func ofControl(r *event.Record, f Field) (uint64, state) {
	is := event.Alert
	if f == Handshake {
		is = event.Handshake
	}
	switch {
	case r.Control == nil || r.Type != is || f == Handshake && len(r.Control.Handshakes) == 0:
		return 0, absent
	case f == Alert:
		return uint64(r.Control.AlertDescription), present
	case f == AlertLevel:
		return uint64(r.Control.AlertLevel), present
	}
	return uint64(r.Control.Handshakes[0]), present
}

// latency is absent if the stage was not seen, and if it is a stage of the other direction.
func latency(r *event.Record, f Field) (uint64, state) {
	v := r.Lat.Total
	if f != LatTotal {
		stage := f - LatQueue
		if event.Dir(stage/3) != r.Dir {
			return 0, absent
		}
		v = r.Lat.Stage[stage%3]
	}
	if v == 0 {
		return 0, absent
	}
	return v, present
}
