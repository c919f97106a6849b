package inspect

// What is masked by default, as data. docs/masks.md says what each belongs to. All
// are in lower case, with hyphens for underscores.
var (
	// secretFields are header fields that carry credentials.
	secretFields = set(
		"api-key", "apikey", "authentication-info", "authorization", "cf-access-client-secret", "cf-access-jwt-assertion",
		"cookie", "dd-api-key", "dd-application-key", "dpop", "job-token", "ocp-apim-subscription-key", "private-token",
		"proxy-authentication-info", "proxy-authorization", "sec-websocket-protocol", "set-cookie", "x-access-token",
		"x-amz-security-token", "x-amzn-oidc-data", "x-api-key", "x-apikey", "x-auth-key", "x-auth-token", "x-authorization",
		"x-aws-ec2-metadata-token", "x-consul-token", "x-csrf-token", "x-forwarded-access-token", "x-functions-key",
		"x-github-token", "x-gitlab-token", "x-goog-api-key", "x-goog-iam-authorization-token", "x-goog-iap-jwt-assertion",
		"x-ms-client-principal", "x-plex-token", "x-shopify-access-token", "x-vault-token", "x-xsrf-token",
	)
	// secretParameters are parameters of URLs and forms that carry credentials.
	secretParameters = set(
		"access-token", "api-key", "apikey", "assertion", "auth", "client-assertion", "client-secret", "code", "code-verifier",
		"device-code", "id-token-hint", "jsessionid", "jwt", "key", "oauth-verifier", "pass", "passphrase", "passwd", "password",
		"phpsessid", "pwd", "samlart", "samlresponse", "sessionid", "sig", "signature", "ticket", "token", "user-code",
		"x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-goog-credential", "x-goog-signature",
	)
	// secretEndings make a secret of every field or parameter whose name ends so.
	secretEndings = []string{"access-key", "api-key", "apikey", "credential", "passwd", "password", "secret", "signature", "token"}
	// secretCommands begin a line of SMTP, POP3, FTP, IRC, Redis or, behind a tag, of
	// IMAP, whose arguments are credentials.
	secretCommands = map[string]command{
		"apop": {}, "auth": {exchange: true}, "authenticate": {tagged: true, exchange: true}, "login": {tagged: true}, "oper": {}, "pass": {},
	}
)

// command is how a command with credentials goes on.
type command struct {
	tagged   bool // it may be the second word, as in IMAP
	exchange bool // without all of its arguments, the lines that follow are them
}

const (
	// maxName bounds the names of fields, commands and parameters that are looked up.
	// Of a longer one the end is.
	maxName = 48
	// maxAuthority bounds the user, password and host of a URL.
	maxAuthority = 1 << 10
)

// names is a set of names of at most maxName bytes. Nearly every word of a text is
// asked for, and is not there: its length and last byte say so of most.
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

// secretField reports whether the value of the header field is. The name is as
// word gives it.
func secretField(name []byte) bool { return secretFields.has(name) || secretEnding(name) }

// secretParameter is secretField for parameters.
func secretParameter(name []byte) bool { return secretParameters.has(name) || secretEnding(name) }

// plain has for each byte of a name what it is looked up as: letters in lower case,
// hyphens for underscores. It is 0 for what is in no name that matters here.
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

// word is the end of a name, as far as it has come.
type word struct {
	b [maxName]byte
	n int
}

// add takes a byte, as plain has it.
func (w *word) add(c byte) {
	if w.n == len(w.b) {
		w.n = copy(w.b[:], w.b[1:])
	}
	w.b[w.n] = c
	w.n++
}

func (w *word) bytes() []byte { return w.b[:w.n] }
