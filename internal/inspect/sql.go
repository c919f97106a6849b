package inspect

import (
	"bytes"
	"strings"
)

// statement is what is told of SQL.
type statement struct {
	op, detail string
	// secret: it mentions something whose values are secrets.
	secret bool
}

// maxSQL is up to which length a statement is looked at, and waited for. Of a longer
// one nothing is shown.
const maxSQL = 64 << 10

// sqlSecrets are words of SQL behind which there are secrets, besides the names that
// are secrets everywhere. Of a name it is enough that it has one of sqlParts.
var (
	sqlSecrets = wordSet("IDENTIFIED", "CRYPT", "ENCRYPT", "DECRYPT", "DIGEST", "HMAC", "MD5", "SHA1", "SHA2",
		"PGP_SYM_ENCRYPT", "PGP_SYM_DECRYPT", "AES_ENCRYPT", "AES_DECRYPT")
	sqlParts = []string{"PASSW", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE_KEY"}
)

// isSecretSQL reports whether a statement mentions something whose values are secrets.
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

// isSecretName reports whether a word of SQL, or the name of a column, is of secrets.
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

// sqlMask is where in a statement its values lie: from the first quote to the last.
// Which quotes belong together depends on the server's settings, and is not asked.
func sqlMask(text []byte) (from, to int) {
	from = bytes.IndexFunc(text, isQuote)
	if from < 0 {
		return 0, 0
	}
	return from, bytes.LastIndexFunc(text, isQuote) + 1
}

func isQuote(r rune) bool { return r == '\'' || r == '"' || r == '$' || r == '`' }

// statement takes n bytes that are SQL, and says what they are.
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

// cutString is the text before the first zero byte, and what comes behind it.
func cutString(b []byte) (text, rest []byte, ok bool) { return bytes.Cut(b, []byte{0}) }
