package flow

import "github.com/ktlstop/ktlstop/pkg/event"

type sideJSON struct {
	Records    uint64  `json:"records"`
	Bytes      uint64  `json:"bytes"`
	RecordRate float64 `json:"records_per_s"`
	ByteRate   float64 `json:"bytes_per_s"`
}

func side(t *event.Totals, r *[2]Rate, d event.Dir) sideJSON {
	return sideJSON{t.Records[d], t.Bytes[d], r[d].Records, r[d].Bytes}
}

type procJSON struct {
	PID       uint32 `json:"pid"`
	Comm      string `json:"comm"`
	UID       uint32 `json:"uid"`
	CgroupID  uint64 `json:"cgroup_id"`
	Container string `json:"container"`

	Unit       string          `json:"unit,omitempty"`
	Kubernetes *kubernetesJSON `json:"k8s,omitempty"`
}

type kubernetesJSON struct {
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	PodUID    string `json:"pod_uid"`
}

func procOf(p *event.Process) procJSON {
	at := p.In()
	j := procJSON{PID: p.PID, Comm: p.Name(), UID: p.UID, CgroupID: p.CgroupID, Container: at.Container, Unit: at.Unit}
	if at.PodUID != "" {
		j.Kubernetes = &kubernetesJSON{at.Namespace, at.Pod, at.ContainerName, at.PodUID}
	}
	return j
}

type sockJSON struct {
	Cookie uint64 `json:"cookie"`
	NetNS  uint32 `json:"netns"`
	Family string `json:"family"`
	LAddr  string `json:"laddr"`
	LPort  uint16 `json:"lport"`
	RAddr  string `json:"raddr"`
	RPort  uint16 `json:"rport"`
}

func sockOf(c *event.Conn) *sockJSON {
	if c == nil {
		return nil
	}
	text := func(a interface{ AppendTo([]byte) []byte }) string { return string(a.AppendTo(nil)) }
	return &sockJSON{c.Cookie, c.NetNS, c.Family.String(), text(c.LAddr), c.LPort, text(c.RAddr), c.RPort}
}

type tlsJSON struct {
	Version    string     `json:"version"`
	Cipher     string     `json:"cipher"`
	Mode       string     `json:"mode"`
	ZeroCopy   bool       `json:"zerocopy"`
	NoPad      bool       `json:"no_pad,omitempty"`
	Gen        uint32     `json:"gen"`
	KeyRecords uint64     `json:"key_records"`
	Lat        *statsJSON `json:"lat_ns,omitempty"`
	sideJSON
}

type statsJSON struct {
	Count  uint64            `json:"count"`
	P50    uint64            `json:"p50"`
	P99    uint64            `json:"p99"`
	Max    uint64            `json:"max"`
	Mean   uint64            `json:"mean"`
	Stages map[string]uint64 `json:"stage_mean"`
	// Error is the bound of the quantiles' relative error.
	Error float64 `json:"quantile_error"`
}

func statsOf(s *Stats, d event.Dir) *statsJSON {
	if s.Count == 0 {
		return nil
	}
	j := &statsJSON{s.Count, s.P50, s.P99, s.Max, s.Mean, map[string]uint64{}, 0.125}
	if s.Coarse {
		j.Error = 1
	}
	for i, name := range StageNames[d] {
		j.Stages[name] = s.Stage[i]
	}
	return j
}

type rowJSON struct {
	procJSON
	Host   string    `json:"host,omitempty"`
	Sock   *sockJSON `json:"sock"`
	User   string    `json:"kernel_user,omitempty"`
	First  uint64    `json:"first_ns"`
	Last   uint64    `json:"last_ns"`
	Closed uint64    `json:"closed_ns"`
	TX     tlsJSON   `json:"tx"`
	RX     tlsJSON   `json:"rx"`
	Errors uint64    `json:"errors"`
	Lost   uint64    `json:"lost"`
	// Of DTLS: absent where nothing was dropped.
	Dropped uint64 `json:"dropped,omitempty"`
}

func rowOf(r *Row) rowJSON {
	return rowJSON{
		procJSON: procOf(&r.Proc), Host: r.Conn.Host, Sock: sockOf(&r.Conn), User: r.Conn.KernelUser, First: r.First, Last: r.Last, Closed: r.Closed,
		TX: directionOf(r, event.TX), RX: directionOf(r, event.RX), Errors: r.Errors, Lost: r.Lost, Dropped: r.Dropped,
	}
}

func directionOf(r *Row, d event.Dir) tlsJSON {
	t := r.TLS[d]
	return tlsJSON{
		Version: t.Version.String(), Cipher: t.Cipher.String(), Mode: t.Mode.String(), ZeroCopy: t.ZeroCopy, NoPad: t.NoPad,
		Gen: r.Gen[d], KeyRecords: r.KeyRecords[d], Lat: statsOf(&r.Lat[d], d), sideJSON: side(&r.Totals, &r.Rate, d),
	}
}

type groupJSON struct {
	procJSON
	Host   string                `json:"host,omitempty"`
	Conns  int                   `json:"connections"`
	TX     sideJSON              `json:"tx"`
	RX     sideJSON              `json:"rx"`
	Lat    map[string]*statsJSON `json:"lat_ns"`
	Errors uint64                `json:"errors"`
	Lost   uint64                `json:"lost"`
}

func groupOf(g *Group) groupJSON {
	j := groupJSON{
		procJSON: procOf(&g.Proc), Host: g.Host, Conns: g.Conns, Errors: g.Errors, Lost: g.Lost, Lat: map[string]*statsJSON{},
		TX: side(&g.Totals, &g.Rate, event.TX), RX: side(&g.Totals, &g.Rate, event.RX),
	}
	for d := range g.Lat {
		if s := statsOf(&g.Lat[d], event.Dir(d)); s != nil {
			j.Lat[event.Dir(d).String()] = s
		}
	}
	return j
}
