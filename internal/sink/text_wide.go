package sink

import (
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// wideRecord writes everything except the payload on one line. The stages depend on the
// direction: queue, encrypt, push (tx) or wait, decrypt, deliver (rx).
func (p *printer) wideRecord(r *event.Record) {
	p.clockTo(r.Mono, 9)
	p.comm(&r.Proc, 15)
	p.right(uint64(r.Proc.PID), 8)
	p.right(uint64(r.Proc.TID), 7)
	p.ascii(r.Dir.String(), wDir)
	p.ascii(r.Type.String(), 18)
	p.seq(r, 12)
	p.right(uint64(r.Gen), 3)
	p.right(uint64(r.Len), wLen)
	p.ascii(orDash(r.Op.String()), 11)
	p.duration(r.Lat.Total, 6)
	for _, v := range r.Lat.Stage {
		p.duration(v, 7)
	}
	p.params("", &r.TLS)
	if r.TLS.ZeroCopy {
		p.str(" zc")
	}
	p.str(" ")
	p.weight(r)
	p.unsent(r)
	p.conn(&r.Conn)
	p.wideEnd(r)
	p.end()
}

func (p *printer) wideEnd(r *event.Record) {
	p.str(" uid ")
	p.num(uint64(r.Proc.UID))
	p.str(" cookie ")
	p.num(r.Conn.Cookie)
	p.str(" netns ")
	p.num(uint64(r.Conn.NetNS))
	if r.Proc.CgroupID != 0 {
		p.str(" cgroup ")
		p.num(r.Proc.CgroupID)
	}
	p.call(&r.Call)
	p.kernelUser(&r.Conn)
	p.place(r.Proc.Place)
	if r.Control != nil {
		p.wideControl(r)
	}
}

// call writes the receive call that ended with a record, if it decrypted several.
func (p *printer) call(c *event.Call) {
	if c.Records < 2 {
		return
	}
	p.str(" call ")
	p.num(uint64(c.Records))
	p.str(" rec")
	if c.Time > 0 {
		p.str(" in ")
		p.dst = units.AppendDuration(p.dst, c.Time)
	}
}

// kernelUser writes the part of the kernel that owns a connection.
func (p *printer) kernelUser(c *event.Conn) {
	if c.KernelUser != "" {
		p.str(" kernel user ")
		p.str(Sanitize(c.KernelUser))
	}
}

// place writes what is known of the unit, container and pod of a process.
func (p *printer) place(at *event.Place) {
	if at == nil {
		return
	}
	word := func(name, v string) {
		if v != "" {
			p.str(name)
			p.str(Sanitize(v))
		}
	}
	word(" container ", at.Container)
	word(" unit ", at.Unit)
	word(" pod ", at.Pod)
	word(" namespace ", at.Namespace)
}

func (p *printer) wideControl(r *event.Record) {
	if r.Type == event.Alert {
		p.str(" " + event.AlertLevel(r.Control.AlertLevel))
		p.str(" " + event.AlertDescription(r.Control.AlertDescription))
		return
	}
	p.str(" " + r.Control.MessageNames())
}
