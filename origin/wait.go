package origin

import (
	"context"
	"errors"
	"fmt"

	"headwater.stream/internal/media"
)

var (
	errBusy    = errors.New("too many requests are waiting")
	errExpired = errors.New("what was asked for did not come in time")
	errTooFar  = errors.New("asked for too far ahead of the live edge")
	errTrack   = errors.New("no such rendition")
	errPending = errors.New("no media yet")
)

// until waits for a View for which done returns true. It counts the waiter and bounds number and time.
func (h *Handler) until(ctx context.Context, p Presentation, v *media.View, done func(*media.View) bool) (*media.View, error) {
	if done(v) {
		return v, nil
	}
	if h.metrics.Waiting.Add(1) > h.maxWaiting {
		h.metrics.Waiting.Add(-1)
		h.metrics.Refused.Add(1)
		return nil, errBusy
	}
	defer h.metrics.Waiting.Add(-1)
	h.metrics.Waited.Add(1)
	limit, cancel := context.WithTimeout(ctx, holdLimit(v))
	defer cancel()
	for {
		next, err := p.Next(limit, v.Revision)
		switch {
		case err == nil:
		case ctx.Err() != nil: // the viewer left
			return nil, ctx.Err()
		case limit.Err() != nil:
			h.metrics.Expired.Add(1)
			return nil, errExpired
		default:
			return nil, fmt.Errorf("waiting for the next View: %w", err)
		}
		if v = next; done(v) {
			return v, nil
		}
	}
}

// reload returns the View that answers a blocking playlist request (8216bis 6.2.5.2).
func (h *Handler) reload(ctx context.Context, c *Channel, key playlistKey, d directives) (*media.View, error) {
	v := c.p.View()
	r := v.Find(key.rendition)
	if r == nil || key.iframes && r.Kind != media.Video {
		return nil, errTrack
	}
	if key.iframes {
		d = d.iframes(r)
	}
	switch d.judge(v, r) {
	case answer:
		return v, nil
	case tooFar:
		return nil, errTooFar
	}
	// What was not too far at first does not become so.
	return h.until(ctx, c.p, v, func(v *media.View) bool {
		r := v.Find(key.rendition)
		return r == nil || away(v) || d.judge(v, r) != wait
	})
}

// linger is the rest of a reload during which no encoder is there: it may come back within the time that such a request is held;
// otherwise the playlist is answered as it is. (It is not part of reload because each waiter's stack counts.)
func (h *Handler) linger(ctx context.Context, c *Channel, key playlistKey, d directives, v *media.View) (*media.View, error) {
	r := v.Find(key.rendition)
	if r != nil && key.iframes {
		d = d.iframes(r)
	}
	if r == nil || d.judge(v, r) != wait {
		return v, nil
	}
	_, err := h.until(ctx, c.p, v, func(v *media.View) bool { return !away(v) })
	if errors.Is(err, errExpired) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	return h.reload(ctx, c, key, d)
}

// open opens an object. A part that the playlist hints at is waited for until it is complete, or until the hint names
// another (8216bis 6.2.6: a request for a hinted part blocks; one whose plan has changed is answered 404 at once).
func (h *Handler) open(ctx context.Context, c *Channel, ref media.Ref) (media.Object, error) {
	obj, err := c.p.Open(ctx, ref)
	if err == nil || ref.Kind != media.ObjectPart || !errors.Is(err, media.ErrNotFound) {
		return obj, err
	}
	id := media.PartID{Epoch: ref.Epoch, Number: ref.Number, Part: ref.Part}
	_, err = h.until(ctx, c.p, c.p.View(), func(v *media.View) bool {
		r := v.Find(ref.Rendition)
		return r == nil || v.Ended || r.Hint != id
	})
	if err != nil {
		return media.Object{}, err
	}
	return c.p.Open(ctx, ref)
}
