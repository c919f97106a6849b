package tui

import "github.com/ktlstop/ktlstop/internal/safe"

// emptyLines is the screen before the first record: what it waits for, what the
// command knows about the reason, and how to change it.
func (m *Model) emptyLines() []line {
	out := []line{nil, {{"  Waiting for kernel-TLS traffic.", title}}, nil}
	for _, s := range m.cfg.Waiting {
		out = append(out, text("  "+safe.String(s)))
	}
	if len(m.cfg.Waiting) > 0 {
		out = append(out, nil)
	}
	return append(out,
		text("  A connection shows up here as soon as its program hands its keys to the"),
		text("  kernel, for example:"),
		text("    ktlstop gen          in another terminal makes traffic to look at"),
		text("    nginx                ssl_conf_command Options KTLS; sendfile on;"),
		text("    OpenSSL programs     Options = KTLS in the section system_default of"),
		text("                         openssl.cnf, or of the file OPENSSL_CONF names"),
		text("    GnuTLS programs      ktls = true in the system-wide configuration"),
	)
}
