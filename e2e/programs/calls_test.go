package programs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// call is a request and its reply in a protocol other than HTTP, by inspect.
type call struct {
	Type       string `json:"type"`
	Dir        string `json:"dir"`
	Protocol   string `json:"protocol"`
	Op         string `json:"op"`
	Status     string `json:"status"`
	KernelUser string `json:"kernel_user"`
	Sock       struct {
		LPort int `json:"lport"`
		RPort int `json:"rport"`
	} `json:"sock"`
}

func (tr *trace) readCalls(t *testing.T, b []byte) {
	t.Helper()
	for line := range bytes.Lines(b) {
		if !bytes.Contains(line, []byte(`"type":"message"`)) {
			continue
		}
		var c call
		must(t, json.Unmarshal(line, &c))
		if c.Type == "message" {
			tr.calls = append(tr.calls, c)
		}
	}
}

// countCalls counts the calls of a side with this operation, and checks their protocol and
// that they succeeded.
func (tr *trace) countCalls(t *testing.T, s side, protocol, op, status string) (n int) {
	t.Helper()
	dir := "tx"
	if s.serves() {
		dir = "rx"
	}
	ops := map[string]int{}
	for _, c := range tr.calls {
		if (s.serves() && c.Sock.LPort != s.port) || (!s.serves() && c.Sock.RPort != s.port) || c.Dir != dir {
			continue
		}
		ops[c.Protocol+" "+c.Op+": "+c.Status]++
		if c.Protocol == protocol && strings.Contains(" "+c.Op+" ", " "+op+" ") && c.Status == status {
			n++
		}
	}
	if n == 0 {
		t.Errorf("%s as %s: inspect reports no %s of %s with %s, but %v", s.program, s.as, op, protocol, status, ops)
	}
	return n
}
