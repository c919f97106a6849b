package ktls

import "crypto/tls"

// tapped returns a copy of config that lets s see the secrets of one connection.
func (s *session) tapped(config *tls.Config) *tls.Config {
	c := config.Clone()
	c.KeyLogWriter = keyLogTap{&s.secrets, config.KeyLogWriter}
	return c
}

// clientConfig returns the configuration for one client connection.
func (s *session) clientConfig(base *tls.Config) *tls.Config {
	c := s.tapped(base)
	if base.ClientSessionCache != nil {
		c.ClientSessionCache = &masterCache{base.ClientSessionCache, s}
	}
	s.renegotiates = base.Renegotiation != tls.RenegotiateNever
	return c
}

// serverConfig returns the configuration for one server connection. The one that
// GetConfigForClient chooses replaces it in mid-handshake, so it is tapped as well.
func (s *session) serverConfig(base *tls.Config) *tls.Config {
	c := s.tapped(base)
	s.wrapTickets(c, base, base)
	if base.GetConfigForClient != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := base.GetConfigForClient(hello)
			if chosen == nil || err != nil {
				return chosen, err
			}
			c := s.tapped(chosen)
			s.wrapTickets(c, chosen, ticketOwner(base, chosen))
			return c, nil
		}
	}
	return c
}

// wrapTickets makes c keep TLS 1.2 master secrets in its tickets. Tickets are still sealed
// by from's own functions or, where it has none, under owner's keys: a clone's automatic
// keys would be its own, and no later connection could open them.
func (s *session) wrapTickets(c, from, owner *tls.Config) {
	wrap, unwrap := from.WrapSession, from.UnwrapSession
	if wrap == nil {
		wrap = owner.EncryptTicket
	}
	if unwrap == nil {
		unwrap = owner.DecryptTicket
	}
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if cs.Version == tls.VersionTLS12 {
			s.rememberMaster(ss)
		}
		return wrap(cs, ss)
	}
	c.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := unwrap(identity, cs)
		s.recallMaster(ss)
		return ss, err
	}
}
