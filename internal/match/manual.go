package match

import (
	"maps"
	"slices"
	"strings"
)

// FieldHelp describes a field for the manual.
type FieldHelp struct {
	Name string
	// About says in one line what the field holds, and in which unit.
	About string
	// Values lists the words that the field is compared with, or gives an example if they
	// are many. It is empty for numbers and durations.
	Values string
	// UserSpace: user space evaluates the field, not the kernel.
	UserSpace bool
	// Sockets: sockets have the field too, and not only records.
	Sockets bool
}

// FieldsHelp returns all fields, in the order of their numbers.
func FieldsHelp() (all []FieldHelp) {
	for f := range Field(len(infos)) {
		all = append(all, FieldHelp{
			Name: f.String(), About: abouts[f], Values: f.values(),
			UserSpace: f.needs()&NeedsUser != 0, Sockets: f.OfSocket(),
		})
	}
	return all
}

// fewWords is the number of words up to which the manual lists them all.
const fewWords = 10

func (f Field) values() string {
	in := &infos[f]
	words := mainWords(in.words)
	switch {
	case len(words) > 0 && len(words) <= fewWords:
		return strings.Join(words, ", ")
	case in.kind == names && in.max > 0:
		return "such as " + in.example + ", or a number"
	case in.kind == names || in.kind == text || in.kind == address:
		return "such as " + in.example
	}
	return ""
}

// mainWords returns the words without the short forms of others, sorted.
func mainWords(words map[string][]uint64) (all []string) {
	longest := map[uint64]string{}
	for word, numbers := range words {
		if n := numbers[0]; len(numbers) == 1 && len(word) > len(longest[n]) {
			longest[n] = word
		}
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if numbers := words[word]; len(numbers) > 1 || longest[numbers[0]] == word {
			all = append(all, word)
		}
	}
	return all
}

// abouts describes each field in one line.
var abouts = [len(infos)]string{
	Dir:         "direction: sent or received",
	Len:         "length of the plaintext, in bytes",
	Type:        "content type, or short data, ccs",
	Seq:         "sequence number under the present key",
	Gen:         "how many keys the direction had before this one",
	Epoch:       "number of the key of DTLS; 0 for TLS",
	Op:          "the call that sent or received",
	PID:         "process of the task that made the call",
	TID:         "thread of the task that made the call",
	UID:         "user of the task that made the call",
	Comm:        "name of the task, at most 15 bytes",
	Cgroup:      "number of the task's cgroup; --cgroup takes a directory",
	Container:   "container id, or its name in the pod",
	Unit:        "unit of systemd: innermost service or scope, else slice",
	Namespace:   "namespace in Kubernetes",
	Pod:         "pod in Kubernetes",
	Host:        "host, if there are several",
	KernelUser:  "part of the kernel that has the socket",
	NetNS:       "inode number of the network namespace",
	Cookie:      "socket cookie; ss -e shows it in hexadecimal",
	Family:      "address family of the socket",
	Port:        "local or remote port; port != 443 is not port == 443",
	LPort:       "local port",
	RPort:       "remote port",
	Addr:        "local or remote address",
	LAddr:       "local address",
	RAddr:       "remote address",
	Version:     "version; DTLS1.2 stands beside 1.2 in an order",
	Cipher:      "cipher suite of the kernel",
	Mode:        "who encrypts: the kernel (sw), a card (hw), neither (none)",
	Proto:       "protocol",
	Card:        "how much of a received record the network card decrypted",
	Event:       "kind of event; socket is any event of a socket",
	Errno:       "error number of a failed call or record",
	Alert:       "description of an alert",
	AlertLevel:  "level of an alert",
	Handshake:   "type of the first message of a handshake record",
	LatQueue:    "sent: first byte buffered, to encryption begins",
	LatEncrypt:  "sent: encryption",
	LatPush:     "sent: encrypted, to handed to TCP",
	LatWait:     "received: whole record there, to a reader takes it up",
	LatDecrypt:  "received: decryption",
	LatDeliver:  "received: decrypted, to the call takes up the next record or returns",
	LatTotal:    "all stages of a record",
	CallRecords: "on the last record of a receive call: how many it opened",
	CallTime:    "on the last record of a receive call: how long it took",
	Payload:     "first 256 bytes of the plaintext; payload[4:8] is a slice",
}
