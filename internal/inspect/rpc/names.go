package rpc

import "strconv"

// The programs for which more than the number is known.
const (
	programNFS = 100003
	programACL = 100227
	// programCallback to programCallbackEnd are numbers that programs use while they
	// run, RFC 5531 §8.4: on an NFS server's connection, those of its callbacks.
	programCallback    = 0x40000000
	programCallbackEnd = 0x60000000
)

// programs are others that are used together with NFS.
var programs = map[uint32]string{100000: "PORTMAP", 100005: "MOUNT", 100021: "NLM", 100024: "STATUS", programACL: "NFSACL"}

// procedures3 are those of NFS 3, RFC 1813 §3.
var procedures3 = [...]string{"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK",
	"MKNOD", "REMOVE", "RMDIR", "RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT"}

// procedure names the operation of a call.
func (h *head) procedure() string {
	switch {
	case h.procNumber == 0:
		return "NULL"
	case h.isCompound():
		return "COMPOUND"
	case h.isCallback() && h.procNumber == 1:
		return "CB_COMPOUND"
	case h.isNFS3():
		return procedures3[h.procNumber]
	}
	number := strconv.FormatUint(uint64(h.procNumber), 10)
	if name, ok := programs[h.program]; ok {
		return name + " procedure " + number
	}
	return "program " + strconv.FormatUint(uint64(h.program), 10) + " procedure " + number
}

func (h *head) isNFS3() bool {
	return h.program == programNFS && h.version == 3 && int(h.procNumber) < len(procedures3)
}

func (h *head) isCompound() bool {
	return h.program == programNFS && h.version == 4 && h.procNumber == 1
}

// isCallback: the version of callbacks is 1, of NFS 4.0's 4 in some servers.
func (h *head) isCallback() bool {
	return h.program >= programCallback && h.program < programCallbackEnd && (h.version == 1 || h.version == 4)
}

// numbered is the name of a number, or the number itself if it has none.
func numbered(names map[uint32]string, n uint32, prefix string) string {
	if name, ok := names[n]; ok {
		return prefix + name
	}
	return prefix + strconv.FormatUint(uint64(n), 10)
}
