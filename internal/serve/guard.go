package serve

import (
	"net"
	"net/http"
)

// guard asks again, with each request, what Check asked at the start: that where others
// reach an address TLS or a user is asked for. exporter-toolkit reads the configuration anew
// for each request, and lets everybody in where it names no user any more, as while somebody
// writes it. Then nobody gets an answer.
func (l *Listening) guard(at net.Addr, h http.Handler) http.Handler {
	if l.Insecure || isLoopback(at) {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !l.requiresUser(r) {
			http.Error(w, "the web configuration asks for no user now", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// requiresUser reports whether users are asked for now, and the request names one. His password was
// looked at before, by what may have read another state of the file.
func (l *Listening) requiresUser(r *http.Request) bool {
	if l.ConfigFile == "" {
		return false
	}
	cfg, err := l.config()
	if err != nil {
		return false
	}
	name, _, _ := r.BasicAuth()
	_, known := cfg.Users[name]
	return known
}

func isLoopback(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
