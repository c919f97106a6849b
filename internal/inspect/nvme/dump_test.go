package nvme

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestDump(t *testing.T) {
	f, err := os.Open(os.Getenv("DUMP"))
	if err != nil {
		t.Skip()
	}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	conns := map[string]*Conn{}
	for sc.Scan() {
		var e struct {
			Type, Dir string
			Mono      uint64 `json:"mono_ns"`
			Len       int
			CT        int `json:"content_type_id"`
			Sock      struct{ Lport, Rport int }
			Payload   struct{ Data []byte }
		}
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type != "record" || e.CT != 23 {
			continue
		}
		key := fmt.Sprint(e.Sock.Lport, e.Sock.Rport)
		k := conns[key]
		if k == nil {
			fmt.Println("new", key, base64.StdEncoding.EncodeToString(e.Payload.Data[:40]))
			k = New(func(x *finding.Exchange) {
				fmt.Println(key, x.Dir, x.ID, x.Op, "|", x.Detail, "|", x.Status, x.RequestLen, x.ReplyLen, x.Duration/1000, x.End)
			})
			conns[key] = k
		}
		d := event.TX
		if e.Dir == "rx" {
			d = event.RX
		}
		k.Write(d, e.Payload.Data, e.Mono)
		if n := e.Len - len(e.Payload.Data); n > 0 {
			k.Gap(d, uint64(n), e.Mono)
		}
		if k.Lost(d) {
			fmt.Println("LOST", key, d)
		}
	}
	for _, k := range conns {
		k.Close()
	}
}
