package source

import "github.com/ktlstop/ktlstop/pkg/event"

// The names that events are written with, and what they stand for. A name that
// is not here belongs to a later version, and is read as unknown.
var (
	ops          = inverse(event.Op.String, 255)
	modes        = inverse(event.Mode.String, 255)
	cards        = inverse(event.Card.String, 255)
	states       = inverse(event.SocketState.String, 255)
	families     = inverse(event.Family.String, 255)
	hostStates   = inverse(event.HostState.String, 255)
	endings      = inverse(event.Ending.String, 255)
	reasons      = inverse(event.DropReason.String, 255)
	options      = inverse(event.Option.String, 255)
	contentTypes = inverse(event.ContentType.String, 255)
	versions     = withDTLS(inverse(event.Version.String, 0x03ff))
	ciphers      = inverse(event.Cipher.String, 255)
	tiers        = inverse(event.Tier.String, 255)
	triggers     = inverse(event.TriggerBy.String, 255)
	alertLevels  = inverse(event.AlertLevel, 255)
	alertNames   = inverse(event.AlertDescription, 255)
	handshakes   = inverse(event.HandshakeType, 255)
)

func withDTLS(of map[string]event.Version) map[string]event.Version {
	of[event.DTLS12.String()] = event.DTLS12
	return of
}

// inverse maps each name to the least number that has it, of those to last.
func inverse[T ~uint8 | ~uint16](name func(T) string, last int) map[string]T {
	out := map[string]T{}
	for i := last; i >= 0; i-- {
		out[name(T(i))] = T(i)
	}
	return out
}
