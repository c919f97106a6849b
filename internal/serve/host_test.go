package serve

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOwnNames: whoever reaches the loopback address by a name of his own is not answered,
// unless he shows who he is.
func TestOwnNames(t *testing.T) {
	open := start(t, "")
	port := open.addr[strings.LastIndexByte(open.addr, ':'):]
	for host, ok := range map[string]bool{
		open.addr: true, "localhost": true, "LOCALHOST." + port: true, "a.localhost" + port: true, "[::1]" + port: true, "[::1]": true, "192.0.2.1": true,
		"evil.example": false, "evil.example" + port: false, "127.0.0.1.evil.example" + port: false, "localhost.evil.example": false,
		"evillocalhost": false, "x": false,
	} {
		for _, path := range []string{"/metrics", "/v1/more", "/"} {
			answer := open.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			if refused := strings.HasPrefix(answer, "HTTP/1.1 421 "); refused == ok || refused && !strings.Contains(answer, "ask for localhost") {
				t.Errorf("%s of %q: %q", path, host, answer)
			}
		}
	}
	if answer := open.raw("GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.0 200 ") {
		t.Errorf("HTTP/1.0: %q", answer)
	}
	guarded := start(t, webConfig(t, users))
	if answer := guarded.raw("GET / HTTP/1.1\r\nHost: web1\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 401 ") {
		t.Errorf("without a password: %q", answer)
	}
	if answer := guarded.raw("GET / HTTP/1.1\r\nHost: web1\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("with a password: %q", answer)
	}
}

// TestNamesElsewhere: an address that others reach has the names that they give it.
func TestNamesElsewhere(t *testing.T) {
	for ip, status := range map[string]int{"127.0.0.1": 421, "::1": 421, "0.0.0.0": 404, "192.0.2.1": 404} {
		h := new(Listening).ownNames(&net.TCPAddr{IP: net.ParseIP(ip)}, http.NotFoundHandler())
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://web1/", nil)
		if h.ServeHTTP(w, r); w.Code != status {
			t.Errorf("on %s: %d", ip, w.Code)
		}
	}
}
