package serve

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ownNames refuses requests that call this machine by another name than localhost or an
// address, where only this machine is to reach it: a page in somebody's browser can give its
// own host's name the address 127.0.0.1, and then read what is there (DNS rebinding). Where
// TLS or a user is asked for, such a page has no certificate and no password.
func (l *Listening) ownNames(listener net.Addr, next http.Handler) http.Handler {
	if at, ok := listener.(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOwnName(r.Host) {
			if guarded, err := l.guarded(); err != nil || !guarded {
				http.Error(w, fmt.Sprintf("%.100q is another's name: ask for localhost or 127.0.0.1, or have --web.config.file ask for TLS or users", r.Host), http.StatusMisdirectedRequest)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// isOwnName reports whether the host of a request, with a port or without, is localhost, a
// name below it (RFC 6761), or an address. HTTP/1.0 names none; browsers speak HTTP/1.1.
func isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil
}
