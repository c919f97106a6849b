package match

import (
	"strings"

	"github.com/ktlstop/ktlstop/internal/nearest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Field is the field of a record that a test examines.
type Field uint8

// The fields of a record.
const (
	Dir Field = iota
	Len
	Type
	Seq
	Gen
	Epoch
	Op
	PID
	TID
	UID
	Comm
	Cgroup
	Container
	Unit
	Namespace
	Pod
	Host
	KernelUser
	NetNS
	Cookie
	Family
	Port
	LPort
	RPort
	Addr
	LAddr
	RAddr
	Version
	Cipher
	Mode
	Proto
	Card
	Event
	Errno
	Alert
	AlertLevel
	Handshake
	LatQueue
	LatEncrypt
	LatPush
	LatWait
	LatDecrypt
	LatDeliver
	LatTotal
	CallRecords
	CallTime
	Payload
)

// kind is the kind of values that a field is compared with.
type kind uint8

const (
	number kind = iota
	names       // words with numbers behind them; order means nothing
	version
	duration
	text
	address
	payload
)

// info describes a field.
type info struct {
	name string
	kind kind
	// max is the largest number.
	max uint64
	// words are the names of numbers; a name may have several.
	words map[string][]uint64
	// example is a value, for messages.
	example string
}

const (
	max8  = 1<<8 - 1
	max16 = 1<<16 - 1
	max32 = 1<<32 - 1
	max64 = 1<<64 - 1
)

var infos = [...]info{
	Dir:         {name: "dir", kind: names, words: stringers(event.TX, event.RX), example: "tx"},
	Len:         {name: "len", max: max32, example: "4000"},
	Type:        {name: "type", kind: names, max: max8, words: typeWords(), example: "alert"},
	Seq:         {name: "seq", max: max64, example: "0"},
	Gen:         {name: "gen", max: max32, example: "1"},
	Epoch:       {name: "epoch", max: max16, example: "1"},
	Op:          {name: "op", kind: names, words: opWords(), example: "sendfile"},
	PID:         {name: "pid", max: max32, example: "4242"},
	TID:         {name: "tid", max: max32, example: "4242"},
	UID:         {name: "uid", max: max32, example: "33"},
	Comm:        {name: "comm", kind: text, example: `"nginx"`},
	Cgroup:      {name: "cgroup", max: max64, example: "7731"},
	Container:   {name: "container", kind: text, example: `"web"`},
	Unit:        {name: "unit", kind: text, example: `"nginx.service"`},
	Namespace:   {name: "namespace", kind: text, example: `"shop"`},
	Pod:         {name: "pod", kind: text, example: `"web-7d4b9"`},
	Host:        {name: "host", kind: text, example: `"web1"`},
	KernelUser:  {name: "kernel_user", kind: text, example: `"nvme_tcp"`},
	NetNS:       {name: "netns", max: max32, example: "4026531840"},
	Cookie:      {name: "cookie", max: max64, example: "8193"},
	Family:      {name: "family", kind: names, words: stringers(event.FamilyINET, event.FamilyINET6), example: "inet6"},
	Port:        {name: "port", max: max16, example: "443"},
	LPort:       {name: "lport", max: max16, example: "443"},
	RPort:       {name: "rport", max: max16, example: "443"},
	Addr:        {name: "addr", kind: address, example: "192.0.2.0/24"},
	LAddr:       {name: "laddr", kind: address, example: "192.0.2.1"},
	RAddr:       {name: "raddr", kind: address, example: "192.0.2.0/24"},
	Version:     {name: "version", kind: version, max: max16, words: versionWords(), example: "1.3"},
	Cipher:      {name: "cipher", kind: names, max: max16, words: cipherWords(), example: "AES-GCM-128"},
	Mode:        {name: "mode", kind: names, words: map[string][]uint64{"none": {0}, "sw": {1}, "hw": {2, 3}}, example: "sw"},
	Proto:       {name: "proto", kind: names, words: stringers(event.ProtoTLS, event.ProtoDTLS), example: "dtls"},
	Card:        {name: "card", kind: names, words: stringers(event.CardAll, event.CardPart, event.CardNone), example: "part"},
	Event:       {name: "event", kind: names, words: eventWords(), example: "rekey"},
	Errno:       {name: "errno", kind: names, max: max32, words: errnoWords(), example: "EBADMSG"},
	Alert:       {name: "alert", kind: names, max: max8, words: numbered(event.AlertDescription, "alert_"), example: "close_notify"},
	AlertLevel:  {name: "alert.level", kind: names, max: max8, words: numbered(event.AlertLevel, "level_"), example: "fatal"},
	Handshake:   {name: "handshake", kind: names, max: max8, words: numbered(event.HandshakeType, "handshake_"), example: "key_update"},
	LatQueue:    {name: "lat.queue", kind: duration},
	LatEncrypt:  {name: "lat.encrypt", kind: duration},
	LatPush:     {name: "lat.push", kind: duration},
	LatWait:     {name: "lat.wait", kind: duration},
	LatDecrypt:  {name: "lat.decrypt", kind: duration},
	LatDeliver:  {name: "lat.deliver", kind: duration},
	LatTotal:    {name: "lat.total", kind: duration},
	CallRecords: {name: "call.records", max: max16, example: "64"},
	CallTime:    {name: "call.time", kind: duration},
	Payload:     {name: "payload", kind: payload},
}

// aliases are other words for fields.
var aliases = map[string]Field{"cgroup_id": Cgroup, "content_type": Type}

// String returns the field's name.
func (f Field) String() string { return infos[f].name }

func fieldOf(word string) (Field, bool) {
	word = strings.ToLower(word)
	for f := range infos {
		if infos[f].name == word {
			return Field(f), true
		}
	}
	f, ok := aliases[word]
	return f, ok
}

// otherField says which field was meant, if one is near, and where all are listed.
func otherField(word string) string {
	const all = "see ktlstop help filters"
	var names []string
	for f := range infos {
		names = append(names, infos[f].name)
	}
	if name := nearest.To(word, names); name != "" {
		return "did you mean " + name + "? Else " + all
	}
	return all
}

// isLatency reports whether a field is a time, of which 0 means unknown.
func (f Field) isLatency() bool { return infos[f].kind == duration }

func stringers[T interface {
	~uint8 | ~uint16
	String() string
}](values ...T) map[string][]uint64 {
	words := map[string][]uint64{}
	for _, v := range values {
		words[v.String()] = []uint64{uint64(v)}
	}
	return words
}

func versionWords() map[string][]uint64 {
	words := stringers(event.Version(0x0303), event.Version(0x0304))
	words[strings.ToLower(event.DTLS12.String())] = []uint64{uint64(event.DTLS12)}
	return words
}

func typeWords() map[string][]uint64 {
	words := stringers(event.ChangeCipherSpec, event.Alert, event.Handshake, event.ApplicationData)
	// What the dashboard and trace print.
	words["ccs"], words["data"] = words["change_cipher_spec"], words["application_data"]
	words["hshk"], words["handshk"], words["alrt"] = words["handshake"], words["handshake"], words["alert"]
	return words
}

func opWords() map[string][]uint64 {
	words := stringers(event.OpSend, event.OpSendfile, event.OpSplice, event.OpRecv, event.OpSpliceRead, event.OpReadSock,
		event.OpUringSend, event.OpUringRecv)
	words["none"] = []uint64{uint64(event.OpNone)}
	return words
}

func cipherWords() map[string][]uint64 {
	words := map[string][]uint64{}
	for c := range event.Cipher(max8) {
		if name := c.String(); name != "" {
			words[strings.ToLower(name)] = []uint64{uint64(c)}
		}
	}
	return words
}

// numbered are the numbers that have a name of their own.
func numbered(name func(uint8) string, prefix string) map[string][]uint64 {
	words := map[string][]uint64{}
	for n := range max8 + 1 {
		if s := name(uint8(n)); !strings.HasPrefix(s, prefix) {
			words[s] = []uint64{uint64(n)}
		}
	}
	return words
}
