package storyboard

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"headwater.stream/internal/media"
	"headwater.stream/packager/keyframe"
)

// Source opens the objects of a recording.
type Source interface {
	// OpenBoxes opens an object without holding all of it to its checksum.
	OpenBoxes(ctx context.Context, ref media.Ref) (media.Object, error)
}

// movie returns what ffmpeg is to read of a key frame: a fragment of that sample alone, at second n.
func movie(ctx context.Context, src Source, k *keyFrame, n int) ([]byte, error) {
	head, err := read(ctx, src, k)
	if err != nil {
		return nil, err
	}
	scale := int64(k.init.Track.Timescale)
	b, err := keyframe.Fragment(head, int64(n)*scale, scale)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.ref.Name(), err)
	}
	return b, nil
}

// read returns a segment up to the end of its first sample.
func read(ctx context.Context, src Source, k *keyFrame) ([]byte, error) {
	if k.size > keyframe.MaxSize {
		return nil, fmt.Errorf("%s: a key frame of %d bytes", k.ref.Name(), k.size)
	}
	o, err := src.OpenBoxes(ctx, k.ref)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.File == nil {
		return bytes.Join(o.Data, nil)[:min(k.size, o.Size)], nil
	}
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	head := make([]byte, k.size)
	_, err = io.ReadFull(o.File, head)
	return head, err
}
