package archive

import (
	"errors"
	"fmt"
	"io"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Store keeps asset directories by name.
type Store interface {
	// Open opens the directory with that name, making it if there is none. Only one Dir of a name is open at a time.
	Open(name string) (Dir, error)
	// Remove removes a directory and all in it. It is no error if there is none.
	Remove(name string) error
}

// Dir is one asset directory. Its Spool calls mean what they mean to a timeline; all calls but Open come from one
// goroutine.
type Dir interface {
	timeline.Spool
	// Resume is Load without a look at files that the index does not know, which takes long in a directory of many: Unsealed
	// is empty. Sweep removes such files, when there is time.
	Resume() (s timeline.State, ok bool, err error)
	Sweep() error
	// SaveInfo stores what an asset adds to its header, durably. SaveHeader must have been called once.
	SaveInfo(Info) error
	// Info returns what SaveInfo stored last, the zero Info if nothing.
	Info() Info
	// Link makes the file of a segment of src appear here under the same name, sharing bytes where the store can; a
	// segment that grows in src grows here until Replace. It is no error if it is here already.
	Link(src timeline.Spool, rendition string, s media.Segment) error
	// Replace puts a segment's file in place whole and durably, in the place of one that was linked.
	Replace(rendition string, s media.Segment, body io.Reader) error
	// Discard removes the file of a segment that cannot be trusted. Its record stays; it is a gap when it is loaded.
	Discard(rendition string, s media.Segment) error
	// Checksum returns the checksum of a sealed segment that is recorded, 0 if it is not known.
	Checksum(rendition string, s media.Segment) uint32
	// WriteFile puts a file in place whole and durably. Its name has no directory, or that of a rendition.
	WriteFile(name string, body []byte) error
	// Repairs returns what was found broken since the directory was opened, and was cut off or given up.
	Repairs() []Repair
	// Doubt says that not all that was announced is here: Close does not call the directory closed in order then.
	Doubt()
	// Close syncs and closes what is open.
	Close() error
}

// Repair is something broken that was found in a directory.
type Repair struct {
	What  string
	File  string // path inside the directory
	Bytes int64  // that are gone
}

// String describes it in a line.
func (r Repair) String() string { return fmt.Sprintf("%s: %s, %d bytes", r.File, r.What, r.Bytes) }

// Info is what an asset directory knows about the recording in it.
type Info struct {
	ManifestName string
	First        uint64 // number of the first segment to record
	Ended        bool   // nothing will be added

	// The store's own: which start of the machine wrote it, and whether it was closed, with everything on the disk.
	Boot  string
	Clean bool
}

// ErrDamaged is wrapped by errors about an asset whose files contradict each other.
var ErrDamaged = errors.New("asset is damaged")
