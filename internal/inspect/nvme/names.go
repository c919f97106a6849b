package nvme

// The types of Fabrics commands that this package uses, NVM Express Base Specification
// 2.0 §6.
const (
	propertySet = 0x00
	connect     = 0x01
	propertyGet = 0x04
)

var fabricTypes = map[uint8]string{
	propertySet: "Property Set", connect: "Connect", propertyGet: "Property Get",
	0x05: "Authentication Send", 0x06: "Authentication Receive", 0x08: "Disconnect",
}

// adminOpcodes are the admin commands that are possible over Fabrics, §5.
var adminOpcodes = map[uint8]string{
	0x02: "Get Log Page", 0x06: "Identify", 0x08: "Abort", 0x09: "Set Features", 0x0a: "Get Features",
	0x0c: "Asynchronous Event Request", 0x0d: "Namespace Management", 0x10: "Firmware Commit",
	0x11: "Firmware Image Download", 0x14: "Device Self-test", 0x15: "Namespace Attachment", 0x18: "Keep Alive",
	0x19: "Directive Send", 0x1a: "Directive Receive", 0x1c: "Virtualization Management", 0x1d: "NVMe-MI Send",
	0x1e: "NVMe-MI Receive", 0x20: "Capacity Management", 0x24: "Lockdown", 0x80: "Format NVM",
	0x81: "Security Send", 0x82: "Security Receive", 0x84: "Sanitize", 0x86: "Get LBA Status",
}

// ioOpcodes are the commands of the NVM and the Zoned Namespace Command Set, and those
// that all command sets have.
var ioOpcodes = map[uint8]string{
	0x00: "Flush", 0x01: "Write", 0x02: "Read", 0x04: "Write Uncorrectable", 0x05: "Compare", 0x08: "Write Zeroes",
	0x09: "Dataset Management", 0x0c: "Verify", 0x0d: "Reservation Register", 0x0e: "Reservation Report",
	0x11: "Reservation Acquire", 0x12: "I/O Management Receive", 0x15: "Reservation Release", 0x19: "Copy",
	0x1d: "I/O Management Send", 0x79: "Zone Management Send", 0x7a: "Zone Management Receive", 0x7d: "Zone Append",
}

// ranged are the I/O commands with a first block and a number of them.
var ranged = map[uint8]bool{0x01: true, 0x02: true, 0x04: true, 0x05: true, 0x08: true, 0x0c: true, 0x7d: true}

// statuses are the codes by their type (the upper byte), §3.3.3.2.1 and the NVM Command
// Set's. Codes of a single command depend on the command.
var statuses = map[uint16]string{
	0x000: "success", 0x001: "invalid opcode", 0x002: "invalid field", 0x003: "command ID conflict",
	0x004: "data transfer error", 0x005: "aborted, power loss", 0x006: "internal error", 0x007: "abort requested",
	0x008: "aborted, queue deleted", 0x00b: "invalid namespace", 0x00c: "command sequence error",
	0x00d: "invalid SGL segment", 0x00e: "invalid number of SGLs", 0x00f: "invalid SGL length",
	0x011: "invalid SGL type", 0x015: "operation denied", 0x016: "invalid SGL offset",
	0x018: "host identifier inconsistent", 0x019: "keep alive expired", 0x01a: "invalid keep alive timeout",
	0x01b: "aborted, preempted", 0x01c: "sanitize failed", 0x01d: "sanitize in progress",
	0x020: "namespace write protected", 0x021: "command interrupted", 0x022: "transient transport error",
	0x024: "media not ready", 0x080: "LBA out of range", 0x081: "capacity exceeded", 0x082: "namespace not ready",
	0x083: "reservation conflict", 0x084: "format in progress",

	0x101: "invalid queue identifier", 0x103: "abort limit exceeded", 0x105: "event request limit exceeded",
	0x109: "invalid log page", 0x10a: "invalid format", 0x10d: "feature not saveable", 0x10e: "feature not changeable",
	0x10f: "feature not per namespace",

	0x280: "write fault", 0x281: "unrecovered read error", 0x282: "guard check error",
	0x283: "application tag check error", 0x284: "reference tag check error", 0x285: "compare failure",
	0x286: "access denied", 0x287: "unwritten block",

	0x300: "internal path error", 0x301: "asymmetric access persistent loss",
	0x302: "asymmetric access inaccessible", 0x303: "asymmetric access transition", 0x360: "controller path error",
	0x370: "host path error", 0x371: "aborted by host",
}

// connectStatuses are those of Connect, §6.3.
var connectStatuses = map[uint16]string{
	0x180: "incompatible format", 0x181: "controller busy", 0x182: "invalid parameters", 0x183: "restart discovery",
	0x184: "invalid host", 0x191: "authentication required",
}

// ioStatuses are those of the NVM Command Set's commands.
var ioStatuses = map[uint16]string{
	0x180: "conflicting attributes", 0x181: "invalid protection information", 0x182: "read only range",
	0x183: "size limit exceeded", 0x1b8: "zone boundary error", 0x1b9: "zone full", 0x1ba: "zone read only",
	0x1bb: "zone offline", 0x1bc: "zone invalid write",
}

// fatal are the reasons of a termination, TCP Transport Specification §3.6.2.5.
var fatal = map[uint16]string{
	1: "invalid PDU header field", 2: "PDU sequence error", 3: "header digest error", 4: "data transfer out of range",
	5: "data transfer limit exceeded", 6: "unsupported parameter",
}

// status names the status field of a completion, phase tag included.
func status(field uint16, s submission) string {
	code := field >> 1 & 0x7ff
	name := statuses[code]
	switch {
	case name != "":
	case s.opcode == fabrics:
		name = connectStatuses[code]
	default:
		name = ioStatuses[code]
	}
	if name == "" {
		name = "status 0x" + hex(uint64(code), 3)
	}
	if field&(1<<15) != 0 {
		name += ", do not retry"
	}
	return name
}
