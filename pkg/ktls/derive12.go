package ktls

import (
	"crypto/hmac"
	"slices"
)

// prf12 is TLS 1.2's PRF, P_hash alone (RFC 5246, section 5).
func (s suite) prf12(secret []byte, label string, seed []byte, length int) []byte {
	h := hmac.New(s.hash, secret)
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	var out []byte
	for a := sum(seed); len(out) < length; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:length]
}

// keyBlock derives both directions' keys from the master secret (RFC 5246, section 6.3).
// AEAD suites have no MAC keys in it.
func (s suite) keyBlock(master, clientRandom, serverRandom []byte) (client, server directionKeys) {
	seed := slices.Concat(serverRandom, clientRandom)
	block := s.prf12(master, "key expansion", seed, 2*s.keyLen+2*s.ivLen)
	cut := func(n int) []byte {
		part := block[:n:n]
		block = block[n:]
		return part
	}
	client.key, server.key = cut(s.keyLen), cut(s.keyLen)
	client.iv, server.iv = cut(s.ivLen), cut(s.ivLen)
	return client, server
}
