package timeline

import (
	"errors"
	"time"

	"headwater.stream/internal/media"
)

// Header is what a timeline stores besides its segments: what is frozen, what its renditions are, and where numbering is.
type Header struct {
	Anchor        time.Time
	SegmentTarget time.Duration
	PartTarget    time.Duration
	Parts         bool // parts are announced to viewers
	Renditions    []HeaderRendition
	Ranges        []media.Range // those of the segments that are kept, oldest first

	Epoch  uint32 // of the newest range
	Disc   uint32 // its discontinuity sequence number
	Number uint64 // of its first segment

	// Reserved is a number above every one that was ever announced, also by what a power loss took away.
	Reserved uint64
}

// HeaderRendition is a rendition and the initialization sections that its segments may still need, oldest first.
type HeaderRendition struct {
	Name      string
	Kind      media.Kind
	Timescale uint32
	Inits     []media.Init
}

// State is what a Spool found when it was opened.
type State struct {
	Header   Header
	Segments map[string][]media.Segment // sealed, by rendition: consecutive numbers, ascending
	Sums     map[string][]uint32        // CRC-32C of each of Segments, 0: not known; nil where the spool has none
	Unsealed map[string][]media.Segment // segment files without an index record, ascending: only Number and Epoch are set
	Events   []media.Event              // timed metadata, in the order announced
	// Lost tells that the machine stopped without the spool being closed: what was written last may be gone. Segments then ends
	// with the last number that all renditions have whole; files of higher ones are in Unsealed, perhaps several of a number.
	Lost bool
}

// Spool keeps a timeline's bytes where they survive the process. All calls but Open come from one goroutine, in order.
// A call may take as long as the disk takes: the timeline does not wait for it longer than a small bound.
type Spool interface {
	// Load returns what is there; ok is false when the spool is new.
	Load() (s State, ok bool, err error)
	// SaveHeader stores h durably (it survives power loss once this returns), with the bodies of its inits.
	SaveHeader(h Header) error
	// Append adds body at the end of the segment's file; offset is what the file must hold before it, 0 makes the file.
	// It survives the process once this returns, and power loss after the sync interval.
	Append(rendition string, s media.Segment, offset uint32, body []byte) error
	// Seal ends the segment's file and records s in the index.
	Seal(rendition string, s media.Segment) error
	// Recover cuts the file of an unsealed segment to its last whole part and returns the parts, without bodies and with
	// their times in the track's timescale. For a sealed segment it only reads.
	Recover(rendition string, s media.Segment, sealed bool) ([]media.Part, error)
	// Drop forgets all segments with numbers below that, files too.
	Drop(rendition string, below uint64) error
	// SaveEvents stores the events that are not stored yet, which are the last of list, and may forget what is not in list.
	// They survive what Append's bytes survive.
	SaveEvents(list []media.Event) error
	// Condemned returns why the file of a sealed segment cannot be trusted (a sync of it failed), nil if it can. It is called
	// by readers, at any time.
	Condemned(rendition string, s media.Segment) error
	// Open opens a segment's file. It is called by readers, at any time. media.ErrNotFound when there is none.
	Open(rendition string, s media.Segment) (media.File, error)
}

// Health says how well the spool keeps up.
type Health struct {
	Degraded  bool      // parts are announced before they are in the spool
	Since     time.Time // when the present or last such time began; zero: never
	Reason    string    // of the last failure
	Cause     media.GapReason
	Lag       time.Duration
	LostParts uint64 // parts that never reached the spool
}

// Fault is an error of a Spool that says what is wrong with the disk.
type Fault struct {
	Reason media.GapReason
	Err    error
}

// Error implements error.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the error behind it.
func (f *Fault) Unwrap() error { return f.Err }

// ReasonOf says what an error of a Spool means for the segment it is about.
func ReasonOf(err error) media.GapReason {
	var f *Fault
	switch {
	case err == nil:
		return media.GapUnknown
	case errors.As(err, &f):
		return f.Reason
	case errors.Is(err, media.ErrNotFound):
		return media.GapMissing
	}
	return media.GapDiskError
}

// Fate is what has become of a segment in the spool.
type Fate uint8

// The fates.
const (
	FatePending Fate = iota // the spool has not got to it yet
	FateKept                // its file is whole
	FateLost                // it is not, and will not be
)

// reserve is how many numbers a header reserves ahead; it is saved again when half of them are used.
const reserve = 16

// The spooler's bounds.
const (
	// spoolBound is how long a part waits for the spool before it is announced all the same.
	spoolBound = 40 * time.Millisecond
	// headerBound is the same for the header of a new range, which is synced.
	headerBound = 2 * time.Second
	// spoolQueue is how many operations, and spoolBytes how many bytes, wait for a spool that does not answer. What does
	// not fit is lost to the spool, not to the viewers at the live edge.
	spoolQueue = 4096
	spoolBytes = 64 << 20
	// spoolSeals is how many index records a spool that refuses them is owed: a day of short segments, 3 MiB.
	spoolSeals = 1 << 16
	// heldBytes bounds the media of listed segments that stay in memory because the spool does not have them. When it is
	// not enough the list begins later: no segment is listed that cannot be served.
	heldBytes = 64 << 20
)
