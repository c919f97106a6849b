package ktls

import (
	"crypto/hkdf"
	"encoding/binary"
)

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func (s suite) expandLabel(secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = append(info, 0)
	return hkdf.Expand(s.hash, secret, string(info), length)
}

// trafficKeys derives a direction's key and IV from its traffic secret (RFC 8446, section
// 7.3).
func (s suite) trafficKeys(secret []byte) (directionKeys, error) {
	key, err := s.expandLabel(secret, "key", s.keyLen)
	if err != nil {
		return directionKeys{}, err
	}
	iv, err := s.expandLabel(secret, "iv", 12)
	return directionKeys{key, iv}, err
}

// nextSecret derives the traffic secret that a KeyUpdate switches to (RFC 8446, section
// 7.2).
func (s suite) nextSecret(secret []byte) ([]byte, error) {
	return s.expandLabel(secret, "traffic upd", s.hash().Size())
}
