package event

// Observation is what a loader.Watch reports of a TCP socket: a request to the kernel to
// set up kernel TLS, with its result, or the first bytes of a handshake message. It is
// not an Event of a trace.
type Observation struct {
	Conn Conn
	Proc Process
	Mono uint64
	// Option is the option that was set: OptionULP, OptionTX or OptionRX; 0 for a
	// handshake message. Errno is the result, 0 for success. Version and Cipher are
	// those of a key.
	Option  Option
	Errno   uint32
	Version Version
	Cipher  Cipher
	// MPTCP reports that the socket is an MPTCP socket. Device reports that the kernel
	// made the request, to the network card.
	MPTCP, Device bool
	// Hello holds the first bytes of a record with a ClientHello or a ServerHello. Sent
	// reports that the process sent it; otherwise the process received it.
	Hello []byte
	Sent  bool
}
