package inspect

import (
	"math/rand/v2"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestNoSaidSecretBehindGaps plays the conversations with secrets in records of any
// lengths, some of which are cut or lost: whatever is missing, no secret shows. All
// records of the beginning are there, so that the protocol is known.
func TestNoSaidSecretBehindGaps(t *testing.T) {
	for _, cases := range saidCases {
		for _, c := range cases {
			if c.hides == "" {
				continue
			}
			for seed := range uint64(25) {
				f := newFeed(t, Config{})
				if f.conn.LPort = 4433; c.port != 0 {
					f.conn.LPort = c.port
				}
				f.both()
				gaps(f, rand.New(rand.NewPCG(seed, 7)), c.say)
				if l := leaks(inJSON(t, f.close())); l != "" {
					t.Errorf("%s, seed %d: %q", c.name, seed, l)
				}
			}
		}
	}
}

// gaps sends a conversation, in pieces and with gaps after its first message.
func gaps(f *feed, rng *rand.Rand, say []string) {
	for i, one := range say {
		d, rest := event.RX, one[1:]
		if one[0] == 't' {
			d = event.TX
		}
		for len(rest) > 0 {
			n := min(1+rng.IntN(40), len(rest))
			if rng.IntN(3) == 0 {
				n = len(rest)
			}
			switch loss := rng.IntN(8); {
			case i > 0 && loss == 0:
				f.lose(d)
			case i > 0 && loss == 1:
				f.sendCut(d, rest[:n], rng.IntN(n+1))
			default:
				f.send(d, rest[:n])
			}
			rest = rest[n:]
		}
	}
}
