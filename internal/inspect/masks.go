package inspect

// The names that are masked by default, as data. docs/masks.md says where each comes
// from. All are in lower case, with hyphens for underscores.
var (
	// secretFields are header fields that carry credentials.
	secretFields = set(
		"authentication-info", "cf-access-jwt-assertion", "cookie", "dpop", "proxy-authentication-info", "sec-websocket-protocol",
		"set-cookie", "x-amzn-oidc-data", "x-auth-key", "x-functions-key", "x-goog-iap-jwt-assertion", "x-jwt-assertion",
		"x-ms-authorization-auxiliary", "x-ms-client-principal", "x-registry-config",
	)
	// secretParameters are parameters of URLs and forms that carry credentials.
	secretParameters = set(
		"assertion", "auth", "client-assertion", "code", "code-verifier", "device-code", "id-token-hint", "jsessionid", "key",
		"oauth-verifier", "oobcode", "pass", "password-confirmation", "phpsessid", "pin", "pwd", "samlart", "samlresponse",
		"sid", "sig", "ticket", "user-code",
	)
	// secretEndings are endings of names: every field or parameter with such a name is
	// a secret.
	secretEndings = []string{"-auth", "access-key", "accesskey", "api-key", "apikey", "app-key", "appkey", "application-key",
		"authorization", "credential", "csrf", "customer-key", "encryption-key", "jwt", "master-key", "otp", "passcode", "passphrase",
		"passwd", "password", "private-key", "privatekey", "secret", "secret-key", "secretkey", "session-id", "sessionid",
		"signature", "signing-key", "subscription-key", "token"}
	// secretCommands begin a line of SMTP, POP3, FTP, NNTP, IRC, Redis or, after a tag,
	// of IMAP, whose arguments are credentials.
	secretCommands = map[string]command{
		"acct": {}, "apop": {}, "auth": {exchange: true}, "authenticate": {tagged: true, exchange: true}, "authinfo": {},
		"bearer": {}, "login": {tagged: true}, "oper": {}, "pass": {},
	}
)

// command is how a command with credentials continues.
type command struct {
	tagged   bool // it may be the second word, as in IMAP
	exchange bool // without all of its arguments, the lines that follow are them
}

const (
	// maxName limits the names of fields, commands and parameters that are looked up.
	// Of a longer name, the end is looked up.
	maxName = 48
	// maxAuthority limits the user, password and host of a URL.
	maxAuthority = 1 << 10
)

// names is a set of names of at most maxName bytes. Nearly every word of a text is
// looked up, and is not in it: its length and last byte are enough to reject most.
type names struct {
	all     map[string]bool
	lengths [256]uint64 // by last byte, a bit for each length
}

func set(all ...string) *names {
	s := &names{all: make(map[string]bool, len(all))}
	for _, n := range all {
		s.all[n] = true
		s.lengths[n[len(n)-1]] |= 1 << len(n)
	}
	return s
}

func (s *names) has(name []byte) bool {
	n := len(name)
	return n > 0 && s.lengths[name[n-1]]>>n&1 != 0 && s.all[string(name)]
}

// endings are secretEndings by their last byte.
var endings = func() (by [256][]string) {
	for _, e := range secretEndings {
		last := e[len(e)-1]
		by[last] = append(by[last], e)
	}
	return by
}()

func secretEnding(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	for _, e := range endings[name[len(name)-1]] {
		if len(name) >= len(e) && string(name[len(name)-len(e):]) == e {
			return true
		}
	}
	return false
}

// secretField reports whether the value of the header field is secret. The name is in
// the form that word returns.
func secretField(name []byte) bool { return isSecret(secretFields, name) }

// secretParameter is secretField for parameters.
func secretParameter(name []byte) bool { return isSecret(secretParameters, name) }

// secretMember is secretField for members of JSON. There a code is usually that of an
// error, and a key that of a map.
func secretMember(name []byte) bool {
	return secretField(name) || secretParameter(name) && string(name) != "code" && string(name) != "key"
}

// isSecret looks a name up, without leading hyphens and without a number at its end.
func isSecret(in *names, name []byte) bool {
	for len(name) > 0 && name[0] == '-' {
		name = name[1:]
	}
	for n := len(name); n > 0 && name[n-1] >= '0' && name[n-1] <= '9'; n-- {
		name = name[:n-1]
	}
	return in.has(name) || secretEnding(name)
}

// plain maps each byte of a name to the form in which it is looked up: letters in lower
// case, hyphens for underscores. It is 0 for bytes that no relevant name has.
var plain = func() (to [256]byte) {
	for c := byte('a'); c <= 'z'; c++ {
		to[c], to[c-'a'+'A'] = c, c
	}
	for c := byte('0'); c <= '9'; c++ {
		to[c] = c
	}
	to['-'], to['_'] = '-', '-'
	return to
}()

func isName(c byte) bool { return plain[c] != 0 }

// word is the end of a name, as far as it was seen.
type word struct {
	b [maxName]byte
	n int
}

// add adds a byte, in the form of plain.
func (w *word) add(c byte) {
	if w.n == len(w.b) {
		w.n = copy(w.b[:], w.b[1:])
	}
	w.b[w.n] = c
	w.n++
}

func (w *word) bytes() []byte { return w.b[:w.n] }
