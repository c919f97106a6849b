package raw

import "testing"

func TestMarshalCryptoInfo(t *testing.T) {
	for cipher, want := range map[Cipher]int{AES256GCM: 56, AES128CCM: 40, SM4GCM: 40, SM4CCM: 40, ARIA128GCM: 40, ARIA256GCM: 56} {
		key, salt, iv, _ := cipher.Sizes()
		info := &CryptoInfo{Cipher: cipher, Key: make([]byte, key), Salt: make([]byte, salt), IV: make([]byte, iv)}
		if b, err := info.MarshalBinary(); err != nil || len(b) != want {
			t.Errorf("%v: %d bytes, %v", cipher, len(b), err)
		}
	}
	if _, err := (&CryptoInfo{Cipher: AES128GCM}).MarshalBinary(); err == nil {
		t.Error("a key of no bytes was taken")
	}
	if _, err := (&CryptoInfo{Cipher: 99}).MarshalBinary(); err == nil {
		t.Error("an unknown cipher was taken")
	}
}
