package main

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"headwater.stream/internal/node"
)

// underSystemd takes the sockets that systemd opened and tells it when the server is ready and when it stops
// (sd_listen_fds(3), sd_notify(3)). Without systemd it does nothing.
func underSystemd(cfg *node.Config) error {
	sockets, err := activation.Listeners()
	if err != nil {
		return fmt.Errorf("taking the sockets of systemd: %w", err)
	}
	for i, l := range sockets {
		if l == nil {
			return fmt.Errorf("socket %d of systemd is not a TCP listener", i)
		}
	}
	cfg.Sockets = sockets
	say := func(state string) func() {
		return func() {
			if _, err := daemon.SdNotify(false, state); err != nil {
				cfg.Log.Warn("systemd was not told", "state", state, "error", err)
			}
		}
	}
	cfg.Ready, cfg.Stopping = say(daemon.SdNotifyReady), say(daemon.SdNotifyStopping)
	return nil
}
