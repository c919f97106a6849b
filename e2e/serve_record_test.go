package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
)

// TestServeRecord: serve keeps the last seconds of events, and writes them on request
// over HTTP.
func TestServeRecord(t *testing.T) {
	onOneKernel(t)
	dir := t.TempDir()
	s := startServe(t, "--record", dir, "--keep", "10m", "--keep-after", "1s")
	made := gen(t, "-n", "2")
	res, err := http.Post(s.url+"/v1/dump", "", nil)
	must(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(t, err)
	var said struct{ File string }
	if res.StatusCode != http.StatusOK || json.Unmarshal(body, &said) != nil {
		t.Fatalf("%s: %s", res.Status, body)
	}
	b, err := os.ReadFile(said.File)
	must(t, err)
	lines := trace(parse(t, b))
	compareGen(t, lines, made)
	lines.sums(t)
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.wait()
}
