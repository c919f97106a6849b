package observe

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait: this machine may have much to do besides.
const patience = 60 * time.Second

// engine is a program of make engines.
func engine(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/engines/usr/bin/" + name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err == nil {
		return path
	}
	if os.Getenv("KTLSTOP_ENGINES") != "" {
		t.Fatalf("%v: make engines", err)
	}
	t.Skipf("%s is missing: make observe fetches it and runs this test", name)
	return ""
}

// server is a running engine.
type server struct {
	t *testing.T
	// url is where it listens, without a slash at the end.
	url string
}

// startServer runs an engine on a free port until the test ends, and returns when health, a path of its, answers 200.
// flags get the address that it shall listen on, as HOST:PORT.
func startServer(t *testing.T, name, health string, flags func(address, data string) []string) *server {
	t.Helper()
	address := freeAddress(t)
	s := startProcess(t, exec.Command(engine(t, name), flags(address, t.TempDir())...), address)
	await(t, name+" listens", func() error {
		_, err := s.try(http.MethodGet, health, "", nil)
		return err
	})
	return s
}

// startProcess runs a server that listens on an address until the test ends, and shows the end of what it said if that failed.
func startProcess(t *testing.T, cmd *exec.Cmd, address string) *server {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing that anybody wants
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s ends its log with:\n%s", filepath.Base(cmd.Path), log.Bytes()[max(0, log.Len()-2000):])
		}
	})
	return &server{t: t, url: "http://" + address}
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await asks again until something has no error.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond) // between two questions to a server that has none to wait by
	}
}

// try sends one request and returns the answer's body.
func (s *server) try(method, path, contentType string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	return b, err
}

// do is try for what must succeed.
func (s *server) do(method, path, contentType string, body io.Reader) []byte {
	s.t.Helper()
	b, err := s.try(method, path, contentType, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}
