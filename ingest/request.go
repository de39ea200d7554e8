package ingest

import (
	"context"
	"fmt"
	"net/netip"

	"headwater.stream/internal/media"
)

// Request is what an encoder asked for. App, Stream and Query are hostile text: valid UTF-8 without control characters
// and bounded in length (Limits.NameBytes, QueryBytes), nothing more.
type Request struct {
	Remote netip.AddrPort
	TLS    bool

	App    string // as sent, without slashes at the ends and without a query
	Stream string // publishing name without the query; never empty
	Query  string // what followed "?" in the publishing name, and in the app if there was one there

	Encoder string // flashVer, sanitized for logs; may be empty

	// Kick ends this publish from outside: it tells the encoder the reason if it can, then closes the connection. It may
	// be called from any goroutine, never blocks, and does nothing once the publish has ended.
	Kick func(reason *Refusal)

	Counters *Counters // of the connection; readable at any time
}

// Gate decides who may publish. Admit is called on the connection's goroutine when an encoder asks to publish; ctx ends
// with the connection. An error refuses the publish: a *Refusal is told to the encoder word for word, any other error
// only as a general failure. Admit is called concurrently for different connections.
type Gate interface {
	Admit(ctx context.Context, r Request) (Session, error)
}

// Session receives one publish. All calls come from the connection's goroutine, one after another. An error from
// SetTracks, WriteSample or WriteEvent ends the publish like an error from Gate.Admit.
type Session interface {
	// SetTracks says what the tracks are: before the first sample, and again whenever a configuration really changed or a
	// track appeared. The index of a track never changes during a publish. The slice and its Config are not changed later.
	SetTracks(tracks []media.Track) error
	// WriteSample delivers one access unit. Times are the encoder's, unwrapped but not repaired: they may jump or step
	// back. s.Data is only valid during the call.
	WriteSample(s media.Sample) error
	// WriteEvent delivers timed metadata. Its Start is on the clock of the samples' DTS+Offset; its ID is not set.
	WriteEvent(e media.Event) error
	// Close is called exactly once, when the publish ends for whatever reason.
	Close() error
}

// Refusal is an error that the encoder is told about: an onStatus of level "error" with this code and description.
type Refusal struct {
	Code        string // "NetStream.Publish.BadName", "NetStream.Publish.Failed"
	Description string // a sentence for the person at the encoder
}

// Codes for a Refusal. Encoders know the first two; they show the description of all.
const (
	CodeBadName  = "NetStream.Publish.BadName"              // no such stream, or not yours
	CodeFailed   = "NetStream.Publish.Failed"               // not now, or not this media
	CodeShutdown = "NetConnection.Connect.AppShutdown"      // the server ends; try again later
	CodeIdle     = "NetStream.Publish.Idle"                 // nothing came
	codePlay     = "NetStream.Play.Failed"                  // this server takes publishers only
	codeStart    = "NetStream.Publish.Start"                // accepted
	codeDone     = "NetStream.Unpublish.Success"            // ended as asked
	codeCall     = "NetConnection.Call.Failed"              // unknown command
	generalText  = "The server cannot take this stream now" // to encoders, for errors that are none of their business
)

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("refused (%s): %s", r.Code, r.Description) }
