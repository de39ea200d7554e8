package origin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"headwater.stream/internal/media"
	"headwater.stream/packager/keyframe"
)

// keyFrame serves the key frame that a segment begins with.
func (h *Handler) keyFrame(w http.ResponseWriter, r *http.Request, c *Served, ref media.Ref) error {
	obj, err := makeKeyFrame(r.Context(), c.Channel, ref)
	if err != nil {
		return err
	}
	return h.opened(w, r, c, ref, obj)
}

// makeKeyFrame makes the key frame that a segment begins with: of the segment's bytes and of what the View says of it, neither of
// which change, so that its name stands for the same bytes always.
func makeKeyFrame(ctx context.Context, c *Channel, ref media.Ref) (media.Object, error) {
	r := c.p.View().Find(ref.Rendition)
	if r == nil {
		return media.Object{}, media.ErrNotFound
	}
	s := r.Segment(ref.Number)
	if s == nil || s.Epoch != ref.Epoch || s.KeySize == 0 || s.KeySize > keyframe.MaxSize || s.Gap {
		return media.Object{}, media.ErrNotFound
	}
	in := r.Init(s.Init)
	if in == nil {
		return media.Object{}, media.ErrNotFound
	}
	of := ref
	of.Kind = media.ObjectSegment
	obj, err := c.p.Open(ctx, of)
	if err != nil {
		return media.Object{}, err
	}
	defer func() {
		// Nothing was written to it.
		_ = obj.Close()
	}()
	head, err := head(obj, int64(s.KeySize))
	if err != nil {
		return media.Object{}, fmt.Errorf("%s: %w", of.Name(), err)
	}
	scaled := func(ticks int64) int64 { return media.Rescale(ticks, r.Timescale, in.Track.Timescale) }
	body, err := keyframe.Fragment(head, scaled(s.Start), scaled(s.Duration))
	if err != nil {
		return media.Object{}, fmt.Errorf("%s: %w", ref.Name(), err)
	}
	return media.Object{Size: int64(len(body)), Data: [][]byte{body}}, nil
}

// head returns the first n bytes of an object.
func head(obj media.Object, n int64) ([]byte, error) {
	if n > obj.Size {
		return nil, io.ErrUnexpectedEOF
	}
	if obj.File == nil {
		return bytes.Join(section(obj.Data, 0, n), nil), nil
	}
	if _, err := obj.File.Seek(obj.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(obj.File, b)
	return b, err
}
