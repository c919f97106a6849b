package raw

import "fmt"

// ContentType is a record's content type (RFC 8446, section 5.1).
type ContentType uint8

// The content types that TLS 1.2 and 1.3 use.
const (
	TypeChangeCipherSpec ContentType = 20
	TypeAlert            ContentType = 21
	TypeHandshake        ContentType = 22
	TypeApplicationData  ContentType = 23
)

// String returns RFC 8446's name, or "type_N".
func (t ContentType) String() string {
	switch t {
	case TypeChangeCipherSpec:
		return "change_cipher_spec"
	case TypeAlert:
		return "alert"
	case TypeHandshake:
		return "handshake"
	case TypeApplicationData:
		return "application_data"
	}
	return fmt.Sprintf("type_%d", uint8(t))
}
