package origin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"headwater.stream/internal/media"
)

// opening reports whether ref names a segment that is being made, of a presentation whose viewers may follow it.
func opening(v *media.View, ref media.Ref) bool {
	if ref.Kind != media.ObjectSegment || v.PartTarget == 0 {
		return false
	}
	r := v.Find(ref.Rendition)
	return r != nil && r.Open != nil && r.Open.Number == ref.Number && r.Open.Epoch == ref.Epoch
}

// newer returns the chunks of an open segment from byte sent on.
func newer(v *media.View, ref media.Ref, sent int64) (list [][]byte) {
	r := v.Find(ref.Rendition)
	if r == nil {
		return nil
	}
	for _, p := range r.PartsOf(ref.Number) {
		if p.Epoch == ref.Epoch && int64(p.Offset) == sent && p.Body != nil {
			list = append(list, p.Body)
			sent += int64(len(p.Body))
		}
	}
	return list
}

// stream serves a segment while it is being made: each chunk as soon as it is complete and at once, the end when the
// segment ends (DASH-IF low-latency modes). Nothing but the unknown length tells the answer from that for the finished
// segment. A Range is ignored, as RFC 9110 14.2 allows: what comes is the whole.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, c *Served, ref media.Ref, v *media.View) error {
	if h.unchanged(w, r, c, ref) {
		return nil
	}
	if h.metrics.Waiting.Load() >= h.maxWaiting {
		h.metrics.Refused.Add(1)
		return errBusy // later it could only be cut off
	}
	h.metrics.Objects.Add(1)
	h.describe(w, c, v, ref)
	h.metrics.status(http.StatusOK)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	size, err := h.follow(r.Context(), w, c.Channel, ref, v)
	h.sent(size, err)
	if err != nil {
		// The only way to tell a viewer, or a cache, that this is not the whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// follow writes a segment from its first chunk to its end and returns how much that was.
func (h *Handler) follow(ctx context.Context, w http.ResponseWriter, c *Channel, ref media.Ref, v *media.View) (sent int64, err error) {
	rc := http.NewResponseController(w)
	for opening(v, ref) {
		for _, b := range newer(v, ref, sent) {
			if err := put(w, rc, b); err != nil {
				return sent, err
			}
			sent += int64(len(b))
		}
		if err := rc.Flush(); err != nil {
			return sent, err
		}
		_ = rc.SetWriteDeadline(time.Time{}) // nothing is due before the next chunk; without a socket there is none
		v, err = h.until(ctx, c.p, v, func(v *media.View) bool { return !opening(v, ref) || len(newer(v, ref, sent)) > 0 })
		if err != nil {
			return sent, err
		}
	}
	rest, err := h.finish(ctx, w, rc, c, ref, sent)
	return sent + rest, err
}

// finish writes what the finished segment has beyond byte sent.
func (h *Handler) finish(ctx context.Context, w http.ResponseWriter, rc *http.ResponseController, c *Channel, ref media.Ref, sent int64) (int64, error) {
	obj, err := c.p.Open(ctx, ref)
	if err != nil {
		return 0, err // given up: its presentation has ended without it
	}
	defer func() {
		// Nothing was written to it.
		_ = obj.Close()
	}()
	rest := obj.Size - sent
	switch {
	case rest < 0:
		return 0, fmt.Errorf("%s has %d bytes, %d were sent", ref.Name(), obj.Size, sent)
	case obj.File != nil:
		if _, err := obj.File.Seek(obj.Offset+sent, io.SeekStart); err != nil {
			return 0, fmt.Errorf("seeking %s: %w", ref.Name(), err)
		}
		return rest, putFile(w, rc, obj.File, rest)
	}
	for _, b := range section(obj.Data, sent, rest) {
		if err := put(w, rc, b); err != nil {
			return rest, err
		}
	}
	return rest, nil
}
