package media

import (
	"errors"
	"io"
)

// ObjectKind says what a Ref names.
type ObjectKind uint8

// The kinds of object.
const (
	ObjectInit ObjectKind = iota + 1
	ObjectSegment
	ObjectPart
	ObjectKey // the key frame that a segment begins with, alone: made of the segment, never stored
)

// Ref names one immutable object of a presentation.
type Ref struct {
	Rendition string
	Kind      ObjectKind
	Epoch     uint32 // of a segment or part; of an init its ID
	Number    uint64 // of a segment, part or key frame
	Part      int    // index of a part in its segment
}

// ErrNotFound is returned by Open when no such object exists now: never made, not yet complete, or gone from the window.
var ErrNotFound = errors.New("no such media object")

// File is what an object on disk is read from; an *os.File, so that HTTP can use sendfile.
type File interface {
	io.ReadSeekCloser
}

// Object is an opened object: either in memory (Data) or on disk (File). Close must be called.
type Object struct {
	Size   int64
	Data   [][]byte // consecutive pieces, never written; nil when File is set
	File   File     // nil when Data is set
	Offset int64    // of the object's first byte in File
}

// Close releases the file, if any.
func (o *Object) Close() error {
	if o.File != nil {
		return o.File.Close()
	}
	return nil
}
