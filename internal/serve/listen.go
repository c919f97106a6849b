package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// Listening says where a server listens, and who may ask.
type Listening struct {
	// Addresses are HOST:PORT each; an empty host is every address.
	Addresses []string
	// ConfigFile is exporter-toolkit's web configuration: TLS, users. Empty for none.
	ConfigFile string
	// Insecure: whoever reaches an address may ask.
	Insecure bool
}

// ErrOpen is of an address that others reach, without TLS and without users.
var ErrOpen = errors.New("others reach it, and neither TLS nor a user is asked for")

// Check says what is wrong with l, before anything listens.
func (l *Listening) Check() error {
	if len(l.Addresses) == 0 {
		return errors.New("no address to listen on")
	}
	guarded, err := l.guarded()
	if err != nil {
		return err
	}
	for _, address := range l.Addresses {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		if !a.IP.IsLoopback() && !guarded && !l.Insecure {
			return fmt.Errorf("listen on %s: %w", address, ErrOpen)
		}
	}
	return nil
}

// guarded reports whether the configuration asks for TLS or for users.
func (l *Listening) guarded() (bool, error) {
	if l.ConfigFile == "" {
		return false, nil
	}
	cfg, err := l.config()
	if err != nil {
		return false, err
	}
	return cfg.TLSConfig.IsEnabled() || len(cfg.Users) > 0, nil
}

// Protection says in a few words what who asks needs: TLS, a user, both, or nothing. Check has
// passed.
func (l *Listening) Protection() string {
	if l.ConfigFile == "" {
		return "without TLS, without users"
	}
	cfg, err := l.config()
	if err != nil {
		return "nobody gets an answer: " + err.Error()
	}
	tls, users := "without TLS", "without users"
	if cfg.TLSConfig.IsEnabled() {
		tls = "with TLS"
	}
	if len(cfg.Users) > 0 {
		users = "with users"
	}
	return tls + ", " + users
}

// config reads the configuration, which must be right.
func (l *Listening) config() (*web.Config, error) {
	wrong := func(err error) error { return fmt.Errorf("web configuration %s: %w", l.ConfigFile, err) }
	if err := web.Validate(l.ConfigFile); err != nil {
		return nil, wrong(withoutName(err))
	}
	b, err := os.ReadFile(l.ConfigFile)
	if err != nil {
		return nil, wrong(withoutName(err))
	}
	var cfg web.Config
	if err := yaml.Unmarshal(b, &cfg); err != nil {
		return nil, wrong(err)
	}
	return &cfg, nil
}

// withoutName is an error without the name of the file, and in one line.
func withoutName(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// Open listens on all addresses.
func (l *Listening) Open() (open []net.Listener, err error) {
	for _, address := range l.Addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			for _, o := range open {
				o.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", address, reason(err))
		}
		open = append(open, listener)
	}
	return open, nil
}

// reason is why a system call failed, without what the caller says already.
func reason(err error) error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}
