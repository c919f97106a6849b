// Package nvme decodes NVMe/TCP (NVM Express TCP Transport Specification 1.0, §3) from
// the two streams of a TCP connection, which is one queue: bytes in, commands with
// their completions out.
//
// It keeps headers only: blocks pass through and are not stored. It can begin in the
// middle of a stream, at a record that begins with a PDU.
package nvme
