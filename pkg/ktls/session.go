package ktls

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// session is what one connection's handshake reveals.
type session struct {
	secrets      sessionSecrets
	resumed      []byte // master secret of the TLS 1.2 session that may be resumed
	renegotiates bool   // the configuration allows renegotiation
}

// masterTag marks the entry of tls.SessionState.Extra that holds a TLS 1.2 master secret.
// crypto/tls logs none when it resumes such a session, so it travels with the session,
// which holds the same secret already, in a field that is private.
var masterTag = []byte("ktls master 1:")

// master returns the TLS 1.2 master secret, or nil.
func (s *session) master(didResume bool) []byte {
	if didResume {
		return s.resumed
	}
	return s.secrets.master
}

// rememberMaster puts the master secret into a session that is about to be stored.
func (s *session) rememberMaster(ss *tls.SessionState) {
	master := s.secrets.master
	if master == nil {
		master = s.resumed
	}
	if master == nil || findMaster(ss) != nil {
		return
	}
	ss.Extra = append(ss.Extra, slices.Concat(masterTag, master))
}

// recallMaster takes the master secret out of a session that may be resumed.
func (s *session) recallMaster(ss *tls.SessionState) {
	s.resumed = nil
	if master := findMaster(ss); master != nil {
		s.resumed = bytes.Clone(master)
	}
}

func findMaster(ss *tls.SessionState) []byte {
	if ss == nil {
		return nil
	}
	for _, extra := range ss.Extra {
		if master, ok := bytes.CutPrefix(extra, masterTag); ok {
			return master
		}
	}
	return nil
}

func (s *session) wipe() {
	s.secrets.wipe()
	clear(s.resumed)
	s.resumed = nil
}

// masterCache is a client's session cache with the TLS 1.2 master secrets in it.
type masterCache struct {
	tls.ClientSessionCache
	session *session
}

// Get looks a session up and notes its master secret.
func (c *masterCache) Get(key string) (*tls.ClientSessionState, bool) {
	cs, ok := c.ClientSessionCache.Get(key)
	if _, ss, err := cs.ResumptionState(); ok && err == nil {
		c.session.recallMaster(ss)
	}
	return cs, ok
}

// Put stores a session with its master secret. A TLS 1.3 session has none: no master was
// logged for the connection.
func (c *masterCache) Put(key string, cs *tls.ClientSessionState) {
	if _, ss, err := cs.ResumptionState(); err == nil && ss != nil {
		c.session.rememberMaster(ss)
	}
	c.ClientSessionCache.Put(key, cs)
}
