package origin

import (
	"context"
	"errors"
	"strconv"

	"headwater.stream/internal/media"
	"headwater.stream/locator"
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
	Download // the whole as one MP4 file
	Pictures // poster and storyboard: of both HLS and DASH
)

// Request is what a Resolver needs to know of a viewer's request.
type Request struct {
	ID         string // GUID of the streaming locator or preview, canonical
	Name       string // manifest name
	Protocol   Protocol
	Filters    []string // named in the URL
	Span       locator.Span
	Token      string // "" when none was sent
	RemoteAddr string // host:port of the peer, for address lists
}

// Resolver finds what a public path stands for. It is asked on every request and must not block.
type Resolver interface {
	// Resolve returns what to serve, or an error that wraps one of this package's.
	Resolve(ctx context.Context, r Request) (Served, error)
}

// Served is a Channel, and how long caches may keep what they get of it.
type Served struct {
	*Channel
	Lifetime *Lifetime // nil: as this package likes
	Gallery  *Gallery  // for Pictures
	Audience *Audience // counts who watches; nil: nobody asks
	Delay    *Delay    // counts answers that waited; nil: nobody asks
}

// Gallery has the pictures of a recording.
type Gallery struct {
	// Picture returns a file; it may wait for it to be made. The error wraps one of this package's: ErrNoPictures when there are
	// none, ErrLater when it takes longer.
	Picture func(ctx context.Context, name string) ([]byte, error)
}

// Lifetime is how long caches may keep what does not change any more: segments, and manifests of what has ended. Live
// manifests have their own.
type Lifetime struct{ object, ended []string }

// NewLifetime returns a Lifetime of so many seconds.
func NewLifetime(seconds int64) *Lifetime {
	age := "public, max-age=" + strconv.FormatInt(seconds, 10)
	return &Lifetime{object: []string{age + ", immutable"}, ended: []string{age}}
}

// Errors that a Resolver returns; each has its status and code in the answer.
var (
	ErrNotFound   = errors.New("no such streaming locator or preview")
	ErrStopped    = errors.New("no streaming endpoint is running")
	ErrNoMedia    = errors.New("nothing has been received yet")
	ErrNotValid   = errors.New("the streaming locator is not valid at this time")
	ErrProtocol   = errors.New("the streaming policy does not allow this protocol")
	ErrAddress    = errors.New("this address is not allowed")
	ErrToken      = errors.New("a valid token is required")
	ErrNoFilter   = errors.New("no such filter")
	ErrNoPictures = errors.New("there is no poster and no storyboard")
	ErrLater      = errors.New("it is being made")
	ErrNoSpan     = errors.New("nothing was recorded in that time")

	ErrFilterRange   = errors.New("the filters' time range is impossible")
	ErrFilterTrack   = errors.New("a filter's track selection is impossible")
	ErrFilterWindow  = errors.New("a filter's presentation window is impossible")
	ErrFilterBackoff = errors.New("a filter's live backoff is impossible")
	ErrBackoffWindow = errors.New("the live backoff is not less than the presentation window")
	ErrBackoffDVR    = errors.New("the live backoff is not less than the archive window")
	ErrFilterSegment = errors.New("the presentation window has to be more than three segments")
	ErrRemovedAll    = errors.New("the filters leave nothing to play")
	ErrLeftWindow    = errors.New("what the filters show has left the archive window")
)
