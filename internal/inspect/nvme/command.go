package nvme

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// submission has the fields read from a command, NVM Express Base Specification 2.0
// §3.3.3.1.
type submission struct {
	opcode    uint8
	fabric    uint8 // the type of a command of Fabrics
	namespace uint32
	start     uint64 // the first block
	blocks    uint32 // the number of blocks
	// queue is the queue of a Connect, size its requested length.
	queue, size uint16
	length      uint32 // of the data, according to its SGL
}

// fabrics is the opcode of all commands of Fabrics, §3.3.3.1.
const fabrics = 0x7f

func parseSubmission(b []byte) submission {
	s := submission{opcode: b[0], length: binary.LittleEndian.Uint32(b[32:])}
	if s.opcode == fabrics {
		s.fabric = b[4]
		s.queue, s.size = binary.LittleEndian.Uint16(b[42:]), binary.LittleEndian.Uint16(b[44:])
		return s
	}
	s.namespace = binary.LittleEndian.Uint32(b[4:])
	s.start = binary.LittleEndian.Uint64(b[40:])
	s.blocks = uint32(binary.LittleEndian.Uint16(b[48:])) + 1
	return s
}

// role is the role of a queue.
type role uint8

const (
	unknownRole role = iota
	adminRole
	ioRole
)

// reveals returns a queue's role, if only one of the roles has this command. Fabrics
// has no commands that create and delete queues.
func (s submission) reveals() role {
	switch {
	case s.opcode == fabrics && s.fabric == connect:
		if s.queue == 0 {
			return adminRole
		}
		return ioRole
	case s.opcode == fabrics:
		if s.fabric == propertySet || s.fabric == propertyGet {
			return adminRole
		}
	case ioOpcodes[s.opcode] != "" && adminOpcodes[s.opcode] == "":
		return ioRole
	case ioOpcodes[s.opcode] == "" && adminOpcodes[s.opcode] != "":
		return adminRole
	}
	return unknownRole
}

// name is the command's name, or both possible names if the queue's role is not known.
func (s submission) name(r role) string {
	if s.opcode == fabrics {
		return named(fabricTypes[s.fabric], "Fabrics", s.fabric)
	}
	admin, io := adminOpcodes[s.opcode], ioOpcodes[s.opcode]
	switch {
	case r == adminRole:
		return named(admin, "admin", s.opcode)
	case r == ioRole:
		return named(io, "I/O", s.opcode)
	case admin != "" && io != "":
		return io + " or " + admin
	}
	return named(io+admin, "opcode", s.opcode)
}

// named is a name, or a number with its kind.
func named(name, of string, n uint8) string {
	if name != "" {
		return name
	}
	return of + " 0x" + hex(uint64(n), 2)
}

// detail describes the command's argument, in one line.
func (s submission) detail(r role) string {
	if s.opcode == fabrics {
		if s.fabric == connect {
			return "queue " + decimal(uint64(s.queue)) + " size " + decimal(uint64(s.size)+1)
		}
		return ""
	}
	var words []string
	switch s.namespace {
	case 0:
	case 1<<32 - 1:
		words = append(words, "nsid all")
	default:
		words = append(words, "nsid "+decimal(uint64(s.namespace)))
	}
	if r == ioRole && ranged[s.opcode] {
		words = append(words, "slba "+decimal(s.start), "blocks "+decimal(uint64(s.blocks)))
	}
	return strings.Join(words, " ")
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// hex is a number of that many digits.
func hex(n uint64, digits int) string {
	s := strconv.FormatUint(n, 16)
	for len(s) < digits {
		s = "0" + s
	}
	return s
}
