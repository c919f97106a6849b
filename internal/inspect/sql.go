package inspect

import (
	"bytes"
	"strings"
)

// statement is the reported part of an SQL statement.
type statement struct {
	op, detail string
	// secret: it names a column or an object with secret values.
	secret bool
}

// maxSQL is the longest statement that is buffered and examined. Of a longer one
// nothing is shown.
const maxSQL = 64 << 10

// sqlSecrets are words of SQL that precede secrets, besides the names that are secrets
// everywhere. A name is a secret too if it contains one of sqlParts.
var (
	sqlSecrets = wordSet("IDENTIFIED", "CRYPT", "ENCRYPT", "DECRYPT", "DIGEST", "HMAC", "MD5", "SHA1", "SHA2",
		"PGP_SYM_ENCRYPT", "PGP_SYM_DECRYPT", "AES_ENCRYPT", "AES_DECRYPT")
	sqlParts = []string{"PASSW", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE_KEY"}
)

// isSecretSQL reports whether a statement names a column or an object with secret
// values.
func isSecretSQL(text []byte) bool {
	for len(text) > 0 {
		n := bytes.IndexFunc(text, func(r rune) bool { return r < 0x80 && plain[r] == 0 || r == '-' })
		if n < 0 {
			n = len(text)
		}
		if isSecretName(text[:n]) {
			return true
		}
		text = text[min(n+1, len(text)):]
	}
	return false
}

// isSecretName reports whether a word of SQL, or the name of a column, is that of a
// secret.
func isSecretName(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	w := upper(name)
	for _, p := range sqlParts {
		if strings.Contains(w, p) {
			return true
		}
	}
	return sqlSecrets[w] || secretKey(name)
}

// sqlMask is the part of a statement with its values: from the first quote to the last.
// Which quotes belong together depends on the server's settings, which are not known.
func sqlMask(text []byte) (from, to int) {
	from = bytes.IndexFunc(text, isQuote)
	if from < 0 {
		return 0, 0
	}
	return from, bytes.LastIndexFunc(text, isQuote) + 1
}

func isQuote(r rune) bool { return r == '\'' || r == '"' || r == '$' || r == '`' }

// statement handles n bytes of SQL, and describes them.
func (m *messages) statement(n int) (st statement) {
	s := m.s
	from := s.pos
	text := s.bytes(from, from+uint64(n))
	m.fresh()
	m.consume(n, asBytes)
	m.fresh()
	if st.secret = isSecretSQL(text); st.secret && !s.rules.off {
		lo, hi := sqlMask(text)
		s.mask(from+uint64(lo), from+uint64(hi))
	}
	shown := bytes.Trim(m.shown(n), "\x00")
	if n > 4*maxDetail {
		shown = shown[:min(len(shown), 4*maxDetail)]
	}
	words := strings.Fields(inOneLine(shown, len(shown)))
	if len(words) > 0 {
		st.op = sqlOp(words[0])
		st.detail = inOneLine([]byte(strings.Join(words, " ")), maxDetail)
	}
	return st
}

// sqlOp is the first word of a statement, if it is one.
func sqlOp(word string) string {
	if isWord([]byte(word)) {
		return strings.ToUpper(word)
	}
	return "SQL"
}

// cutString returns the text before the first zero byte, and the bytes after it.
func cutString(b []byte) (text, rest []byte, ok bool) { return bytes.Cut(b, []byte{0}) }
