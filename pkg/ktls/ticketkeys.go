package ktls

import (
	"bytes"
	"crypto/tls"
)

// ticketOwner returns the configuration whose ticket keys crypto/tls would use when base's
// GetConfigForClient chose another: the chosen one if keys were set on it, else base.
func ticketOwner(base, chosen *tls.Config) *tls.Config {
	if hasTicketKeys(chosen) {
		return chosen
	}
	return base
}

// hasTicketKeys reports whether SessionTicketKey or SetSessionTicketKeys was used on config.
// The latter leaves no visible trace. But a SessionTicketKey only counts where no keys were
// set, so a ticket from a copy with a known one gives it away.
func hasTicketKeys(config *tls.Config) bool {
	var unset [32]byte
	if config.SessionTicketKey != unset && !bytes.HasPrefix(config.SessionTicketKey[:], []byte("DEPRECATED")) {
		return true
	}
	known := [32]byte{1}
	probe := config.Clone()
	probe.SessionTicketKey, probe.Rand, probe.SessionTicketsDisabled = known, zeros{}, false
	plain := &tls.Config{SessionTicketKey: known, Rand: zeros{}}
	return !bytes.Equal(emptyTicket(probe), emptyTicket(plain))
}

func emptyTicket(config *tls.Config) []byte {
	ticket, _ := config.EncryptTicket(tls.ConnectionState{}, &tls.SessionState{})
	return ticket
}

// zeros is a source of no randomness, which makes two tickets comparable.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
