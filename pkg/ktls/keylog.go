package ktls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
)

// Labels of the key-log lines that crypto/tls writes and this package needs
// (draft-ietf-tls-keylogfile).
const (
	labelMaster        = "CLIENT_RANDOM"
	labelClientTraffic = "CLIENT_TRAFFIC_SECRET_0"
	labelServerTraffic = "SERVER_TRAFFIC_SECRET_0"
)

// sessionSecrets collects one connection's secrets from its key log.
type sessionSecrets struct {
	master         []byte // TLS 1.2
	client, server []byte // TLS 1.3 application traffic secrets
}

// take keeps the line's secret. Lines it does not know are left alone: a new label must not
// break a handshake.
func (s *sessionSecrets) take(line []byte) {
	label, _, secret, err := parseKeyLogLine(line)
	if err != nil {
		return
	}
	switch label {
	case labelMaster:
		s.master = secret
	case labelClientTraffic:
		s.client = secret
	case labelServerTraffic:
		s.server = secret
	}
}

func (s *sessionSecrets) wipe() {
	clear(s.master)
	clear(s.client)
	clear(s.server)
	*s = sessionSecrets{}
}

var errKeyLogLine = errors.New("malformed key log line")

// parseKeyLogLine splits a line into its label, client random and secret.
func parseKeyLogLine(line []byte) (label string, random, secret []byte, err error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return "", nil, nil, errKeyLogLine
	}
	random, secret = make([]byte, hex.DecodedLen(len(fields[1]))), make([]byte, hex.DecodedLen(len(fields[2])))
	if _, err := hex.Decode(random, fields[1]); err != nil {
		return "", nil, nil, errKeyLogLine
	}
	if _, err := hex.Decode(secret, fields[2]); err != nil {
		return "", nil, nil, errKeyLogLine
	}
	if len(random) != 32 || len(secret) == 0 {
		return "", nil, nil, errKeyLogLine
	}
	return string(fields[0]), random, secret, nil
}

// keyLogTap is the KeyLogWriter of one connection: it takes the secrets and passes each
// line on to the caller's own writer.
type keyLogTap struct {
	secrets *sessionSecrets
	next    io.Writer // may be nil
}

func (t keyLogTap) Write(line []byte) (int, error) {
	t.secrets.take(line)
	if t.next == nil {
		return len(line), nil
	}
	return t.next.Write(line)
}
