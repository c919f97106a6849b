// Package tap puts the packets of internal/packet where socket filters are: on a
// dummy network interface. What is sent on such an interface is seen by the
// packet sockets that watch it, and then dropped by its driver; it has no
// address, no route and no neighbours, so nothing of it reaches another socket
// or another machine.
package tap
