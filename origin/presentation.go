package origin

import (
	"context"
	"errors"

	"headwater.stream/internal/media"
)

// Presentation is everything a viewer can watch: a live edge, a recording in progress, a replay. All methods may be called
// by any number of goroutines.
type Presentation interface {
	// View returns the newest snapshot. It never blocks and never returns nil.
	View() *media.View
	// Next returns the first View it can get with a revision above after, waiting for it. It returns an error when ctx is
	// done first.
	Next(ctx context.Context, after uint64) (*media.View, error)
	// Open opens an object, also one that left the View not long ago. The error wraps media.ErrNotFound when it does not
	// exist now; it never waits for an object to be made.
	Open(ctx context.Context, ref media.Ref) (media.Object, error)
}

// Protocol is what a policy may allow or forbid.
type Protocol uint8

// The protocols. Initialization sections, segments and parts belong to both: AnyProtocol.
const (
	AnyProtocol Protocol = iota
	HLS
	DASH
)

// Request is what a Resolver needs to know of a viewer's request.
type Request struct {
	ID         string // GUID of the streaming locator or preview, canonical
	Name       string // manifest name
	Protocol   Protocol
	Filters    []string // named in the URL
	RemoteAddr string   // host:port of the peer, for address lists
}

// Resolver finds what a public path stands for. It is asked on every request and must not block.
type Resolver interface {
	// Resolve returns the Channel to serve from, or an error that wraps one of this package's.
	Resolve(ctx context.Context, r Request) (*Channel, error)
}

// Errors that a Resolver returns; each has its status and code in the answer.
var (
	ErrNotFound  = errors.New("no such streaming locator or preview")
	ErrStopped   = errors.New("no streaming endpoint is running")
	ErrNoMedia   = errors.New("nothing has been received yet")
	ErrNotValid  = errors.New("the streaming locator is not valid at this time")
	ErrProtocol  = errors.New("the streaming policy does not allow this protocol")
	ErrAddress   = errors.New("this address is not allowed")
	ErrNoFilter  = errors.New("no such filter")
	ErrBadFilter = errors.New("the filters cannot be combined")
)
