package bench

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

const (
	// datagramSize is the UDP payload of each datagram in bytes: the most for Ethernet with
	// IPv4.
	datagramSize = 1500 - 20 - 8
	// recordSize is the plaintext in it with AES-GCM: less the record's header, explicit nonce
	// and tag.
	recordSize = datagramSize - 13 - 8 - 16
	// window is how many bytes are sent before the sender waits for the receiver. UDP has no
	// flow control, and a receive queue holds some 80 such datagrams.
	window = 32 << 10
	// lossTime is how long a receiver waits for one.
	lossTime = 30 * time.Second
)

// overDTLS connects by loopback and runs DTLS 1.2's handshake.
func overDTLS(policy ktls.Policy) func(context.Context, uint16) (*connection, error) {
	return func(ctx context.Context, _ uint16) (*connection, error) {
		if policy == ktls.Require { // before the handshake: the end that fails first would hide the other's reason
			if err := ktls.DTLSAvailable(); err != nil {
				return nil, err
			}
		}
		cert, err := certificate()
		if err != nil {
			return nil, err
		}
		config := &ktls.DTLSConfig{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, MTU: datagramSize,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, Policy: policy}
		c, err := dtlsPair(ctx, config)
		if err != nil {
			return nil, err
		}
		c.version, c.cipher, c.most = "DTLS 1.2", tls.CipherSuiteName(config.CipherSuites[0]), recordSize
		return c, nil
	}
}

func dtlsPair(ctx context.Context, config *ktls.DTLSConfig) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ln, err := ktls.ListenDTLS("udp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	client, err := ktls.DialDTLS(ctx, "udp", ln.Addr().String(), config)
	if err != nil {
		return nil, err
	}
	server, err := ln.Accept()
	if err != nil {
		client.Close()
		return nil, err
	}
	return &connection{sender: server, receiver: client}, nil
}

// plainUDP sends the same datagrams unencrypted, as long as the plaintext of a record.
func plainUDP(ctx context.Context, _ uint16) (*connection, error) {
	var lc net.ListenConfig
	receiver, err := lc.ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	sender, err := d.DialContext(ctx, "udp", receiver.LocalAddr().String())
	if err != nil {
		receiver.Close()
		return nil, err
	}
	return &connection{sender: sender, receiver: receiver.(*net.UDPConn), most: recordSize}, nil
}
