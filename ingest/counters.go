package ingest

import "sync/atomic"

// Drop says why something an encoder sent was not used.
type Drop uint8

// The reasons to drop a message or a sample.
const (
	DropEmpty        Drop = iota // message without a body
	DropUnknown                  // message type or packet type nobody needs
	DropControl                  // protocol control message that makes no sense
	DropUnpublished              // media without, before or after a publish
	DropMetadata                 // onMetaData that cannot be read
	DropConfig                   // configuration record that cannot be read
	DropUnconfigured             // sample before its configuration
	DropMalformed                // sample that cannot be read
	DropCodec                    // codec other than the track's
	DropTrack                    // further track of an encoder that sends several of a kind
	DropEvent                    // timed metadata that cannot be read or is too large
	drops
)

// String returns the reason in the form of a metric label.
func (d Drop) String() string {
	names := [drops]string{"empty", "unknown", "control", "unpublished", "metadata", "config", "unconfigured", "malformed", "codec", "track", "event"}
	if d < drops {
		return names[d]
	}
	return "other"
}

// Counters counts what one connection brought. All methods are safe for concurrent use.
type Counters struct {
	bytes, messages, video, audio atomic.Uint64
	dropped                       [drops]atomic.Uint64
	software                      atomic.Pointer[string]
}

// Bytes returns how many bytes were received, of the whole protocol.
func (c *Counters) Bytes() uint64 { return c.bytes.Load() }

// Software returns what the encoder calls itself in onMetaData, sanitized for logs; "" when it does not.
func (c *Counters) Software() string {
	if s := c.software.Load(); s != nil {
		return *s
	}
	return ""
}

// Messages returns how many complete RTMP messages were received.
func (c *Counters) Messages() uint64 { return c.messages.Load() }

// Video returns how many video samples were handed to the session.
func (c *Counters) Video() uint64 { return c.video.Load() }

// Audio returns how many audio samples were handed to the session.
func (c *Counters) Audio() uint64 { return c.audio.Load() }

// Dropped returns how many messages or samples were dropped for reason d.
func (c *Counters) Dropped(d Drop) uint64 {
	if d < drops {
		return c.dropped[d].Load()
	}
	return 0
}

// Drops calls f for each reason for which something was dropped.
func (c *Counters) Drops(f func(reason Drop, n uint64)) {
	for d := Drop(0); d < drops; d++ {
		if n := c.dropped[d].Load(); n > 0 {
			f(d, n)
		}
	}
}

func (c *Counters) drop(d Drop) { c.dropped[d].Add(1) }
