package serve

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notify tells systemd that the run is ready, then that it is alive, for as long as it is
// and as often as the unit's WatchdogSec wants it, and at the end of ctx that it stops.
// Where systemd does not listen it does nothing but wait. The error is of a socket that is
// there and cannot be written to.
func Notify(ctx context.Context, alive func() error) error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	watch(ctx, alive)
	_, err := daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// watch feeds the watchdog, if there is one, until ctx ends.
func watch(ctx context.Context, alive func() error) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if alive() == nil {
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
			}
		}
	}
}
