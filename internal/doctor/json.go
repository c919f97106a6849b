package doctor

import (
	"encoding/json"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/internal/safe"
)

// reportJSON is the document of docs/schema/doctor-v1.json.
type reportJSON struct {
	V           int              `json:"v"`
	Type        string           `json:"type"`
	Well        bool             `json:"well"`
	Watched     float64          `json:"watched_seconds"`
	Host        *Host            `json:"host"`
	Processes   []Process        `json:"processes"`
	Connections []connectionJSON `json:"connections"`
	Findings    []Finding        `json:"findings"`
	NotSeen     []string         `json:"not_seen"`
}

type connectionJSON struct {
	Ends
	PID        int    `json:"pid,omitempty"`
	Comm       string `json:"comm,omitempty"`
	Version    string `json:"version,omitempty"`
	Cipher     string `json:"cipher,omitempty"`
	Handshake  bool   `json:"handshake_seen"`
	Role       string `json:"role,omitempty"`
	ServerName string `json:"server_name,omitempty"`
	// The client's offer, or in TLS 1.2 the value that the server agreed to.
	MaxFragment int           `json:"max_fragment_length,omitempty"`
	RecordLimit uint16        `json:"record_size_limit,omitempty"`
	ULP         string        `json:"ulp,omitempty"`
	ULPErrno    string        `json:"ulp_errno,omitempty"`
	TX          directionJSON `json:"tx"`
	RX          directionJSON `json:"rx"`
	Why         []string      `json:"why"`
}

type directionJSON struct {
	Mode  string `json:"mode"`
	Asked bool   `json:"asked"`
	Errno string `json:"errno,omitempty"`
}

// MarshalJSON implements json.Marshaler. Strings from others are escaped as in text.
func (r *Report) MarshalJSON() ([]byte, error) {
	doc := reportJSON{V: 1, Type: "doctor", Well: r.Well(), Watched: r.Facts.Watched.Seconds(), Host: &r.Facts.Host,
		Processes: r.Facts.Processes, Connections: []connectionJSON{}, Findings: r.Findings, NotSeen: r.Facts.NotSeen}
	if doc.Findings == nil {
		doc.Findings = []Finding{}
	}
	for _, c := range r.Connections {
		doc.Connections = append(doc.Connections, c.json())
	}
	b, err := json.Marshal(doc)
	return safe.Append(nil, b), err
}

func (c *Connection) json() connectionJSON {
	j := connectionJSON{Ends: c.Ends, PID: c.PID, Comm: c.Comm, Version: c.TLSVersion().String(), Cipher: c.CipherName(),
		Handshake: c.Client != nil || c.Server != nil, ULP: c.ULP, TX: c.direction(&c.TX), RX: c.direction(&c.RX), Why: append([]string{}, c.Why...)}
	if c.ULPErrno != 0 {
		j.ULPErrno = errnoName(c.ULPErrno)
	}
	if j.Handshake {
		j.Role = "client"
		if c.IsServer {
			j.Role = "server"
		}
	}
	if c.Client != nil {
		j.ServerName = c.Client.Name
		j.limits(c.Client)
	}
	if c.Server != nil && c.Server.Version < 0x0304 {
		j.limits(c.Server)
	}
	return j
}

func (j *connectionJSON) limits(h *hello.Hello) {
	j.MaxFragment, j.RecordLimit = 0, h.RecordLimit
	if h.MaxFragment >= 1 && h.MaxFragment <= 4 { // RFC 6066 §4
		j.MaxFragment = 256 << h.MaxFragment
	}
}

func (c *Connection) direction(d *Direction) directionJSON {
	j := directionJSON{Mode: d.Mode.String(), Asked: d.Asked}
	if c.unknown(d) {
		j.Mode = "unknown"
	}
	if d.Errno != 0 {
		j.Errno = errnoName(d.Errno)
	}
	return j
}
