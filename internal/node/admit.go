package node

import (
	"fmt"
	"syscall"

	"headwater.stream/ingest"
	"headwater.stream/origin"
)

// DefaultMaxWaiting is the default of Admission.Waiting.
const DefaultMaxWaiting = origin.DefaultMaxWaiting

// Admission bounds what a node takes on, so that those it has taken on are served. What is beyond is refused with the code
// MPE_CAPACITY_LIMIT_REACHED (ams-v3 §11.2).
type Admission struct {
	Publishers     int // encoders at a time; 0: no limit. One that takes over from another of its event is always let in
	IngestBitrate  int // bit/s that all encoders may send together when another comes; 0: no limit
	Waiting        int // requests of viewers that may wait for media at a time. Default DefaultMaxWaiting
	Viewers        int // connections of viewers. Default: three quarters of the descriptors that the process may have
	ViewersAddress int // of these from one address. Default: half of Viewers
}

// spareDescriptors are what encoders, recordings and the control API need at least.
const spareDescriptors = 256

// withDefaults returns a with the defaults filled in.
func (a Admission) withDefaults() (Admission, error) {
	if min(a.Publishers, a.IngestBitrate, a.Waiting, a.Viewers, a.ViewersAddress) < 0 {
		return a, fmt.Errorf("the limits on publishers, bit rate, requests and connections must not be negative")
	}
	if a.Waiting == 0 {
		a.Waiting = DefaultMaxWaiting
	}
	if a.Viewers == 0 {
		var files syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			return a, fmt.Errorf("limit of descriptors: %w", err)
		}
		n := int(min(files.Cur, 1<<20))
		a.Viewers = max(n-max(n/4, spareDescriptors), 1)
	}
	if a.ViewersAddress == 0 {
		a.ViewersAddress = (a.Viewers + 1) / 2
	}
	return a, nil
}

// full says why the node cannot take one more encoder, nil if it can. events are all that run.
func (a Admission) full(events map[string]*event) *ingest.Refusal {
	publishers, bitrate := 0, 0
	for _, e := range events {
		if connected, rate := e.load(); connected {
			publishers++
			bitrate += rate
		}
	}
	switch {
	case a.Publishers > 0 && publishers >= a.Publishers:
		return capacity("this server takes %d encoders at a time: stop another one first", a.Publishers)
	case a.IngestBitrate > 0 && bitrate >= a.IngestBitrate:
		return capacity("the encoders here send %.1f Mbit/s already and this server takes %.1f: stop another one first", float64(bitrate)/1e6, float64(a.IngestBitrate)/1e6)
	}
	return nil
}

func capacity(format string, args ...any) *ingest.Refusal {
	return &ingest.Refusal{Code: ingest.CodeFailed, Description: codeCapacity + ": " + fmt.Sprintf(format, args...)}
}

// load returns whether an encoder publishes and how much it sends, bit/s: what came in since the heartbeat before last,
// what it declared until there is one.
func (e *event) load() (connected bool, rate int) {
	e.mu.Lock()
	cur := e.cur
	e.mu.Unlock()
	if cur == nil {
		return false, 0
	}
	cur.mu.Lock()
	defer cur.mu.Unlock()
	return true, cur.pulse.rate
}
