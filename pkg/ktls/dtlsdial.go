package ktls

import (
	"context"
	"fmt"
	"net"
)

// DialDTLS connects to addr over UDP and runs the DTLS 1.2 handshake. network is "udp",
// "udp4" or "udp6". ctx bounds the look-up of the name and the handshake. DialDTLS takes a context
// where [Dial] does not, because a silent peer ends no handshake over UDP: without a limit it
// continues until the peer answers, or its host reports that nobody is there.
func DialDTLS(ctx context.Context, network, addr string, config *DTLSConfig) (*DTLSConn, error) {
	config, err := config.named(addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("ktls: network %q: DTLS goes over udp, udp4 or udp6", network)
	}
	return DTLSClient(ctx, udp, config)
}

// named returns the configuration with a server name: its own, or addr's host.
func (c *DTLSConfig) named(addr string) (*DTLSConfig, error) {
	named := *c.orZero()
	if named.ServerName != "" || named.PSK != nil {
		return &named, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	named.ServerName = host
	return &named, nil
}
