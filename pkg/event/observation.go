package event

// Observation is what whoever watches for kernel TLS sees of a socket: a question to the
// kernel with its answer, or the first bytes of a handshake's message. It is no Event of
// a trace.
type Observation struct {
	Conn Conn
	Proc Process
	Mono uint64
	// Option is what was asked for: OptionULP, OptionTX or OptionRX; 0 of a handshake.
	// Errno is the answer, 0 for yes. Version and Cipher are those of a key.
	Option  Option
	Errno   uint32
	Version Version
	Cipher  Cipher
	// MPTCP: the socket is one of MPTCP. Device: it was the kernel that asked, the
	// network card.
	MPTCP, Device bool
	// Hello are the first bytes of a record with a ClientHello or a ServerHello, Sent
	// by the process or received by it.
	Hello []byte
	Sent  bool
}
