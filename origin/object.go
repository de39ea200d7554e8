package origin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"headwater.stream/internal/media"
)

var (
	errRange    = errors.New("the range begins behind the end")
	errNotReady = errors.New("the object is not complete yet")
)

// object serves an initialization section, segment or part.
func (h *Handler) object(w http.ResponseWriter, r *http.Request, c *Served, ref media.Ref) error {
	if v := c.p.View(); opening(v, ref) {
		return h.stream(w, r, c, ref, v)
	}
	obj, err := h.open(r.Context(), c.Channel, ref)
	if err != nil {
		if errors.Is(err, media.ErrNotFound) && ahead(c.p.View(), ref) {
			return errNotReady
		}
		return err
	}
	return h.opened(w, r, c, ref, obj)
}

// opened serves an object that has been opened, and closes it.
func (h *Handler) opened(w http.ResponseWriter, r *http.Request, c *Served, ref media.Ref, obj media.Object) error {
	defer func() {
		// Nothing was written to it.
		_ = obj.Close()
	}()
	if h.unchanged(w, r, c, ref) {
		return nil
	}
	head := w.Header()
	start, size, status, err := h.section(w, r, obj.Size, entityTag(ref))
	if err != nil {
		return err
	}
	if obj.File != nil {
		if _, err := obj.File.Seek(obj.Offset+start, io.SeekStart); err != nil {
			delete(head, "Content-Range")
			return fmt.Errorf("seeking %s: %w", ref.Name(), err)
		}
	}
	h.metrics.Objects.Add(1)
	h.describe(w, c, c.p.View(), ref)
	head["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	if obj.File != nil {
		h.sendFile(w, r, status, obj.File, size)
		return nil
	}
	h.send(w, r, status, section(obj.Data, start, size), size)
	return nil
}

// section returns which bytes of so many a request wants, with the status that goes with it.
func (h *Handler) section(w http.ResponseWriter, r *http.Request, whole int64, etag string) (start, size int64, status int, err error) {
	value := r.Header.Get("Range")
	if value == "" || r.Method != http.MethodGet || !rangeApplies(r.Header.Get("If-Range"), etag) {
		return 0, whole, http.StatusOK, nil
	}
	head := w.Header()
	from, length, ok := parseRange(value, whole)
	switch {
	case !ok: // not one range: the whole
		return 0, whole, http.StatusOK, nil
	case length == 0:
		head["Content-Range"] = []string{"bytes */" + strconv.FormatInt(whole, 10)}
		return 0, 0, 0, errRange
	}
	head["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, whole)}
	return from, length, http.StatusPartialContent, nil
}

// unchanged answers a request of somebody who has the object.
func (h *Handler) unchanged(w http.ResponseWriter, r *http.Request, c *Served, ref media.Ref) bool {
	etag := entityTag(ref)
	if !matches(r.Header["If-None-Match"], etag) {
		return false
	}
	h.metrics.Objects.Add(1)
	head := w.Header()
	head["Etag"], head["Cache-Control"] = []string{etag}, h.kept(c)
	h.notModified(w)
	return true
}

// describe sets the header fields that all answers with an object's bytes have.
func (h *Handler) describe(w http.ResponseWriter, c *Served, v *media.View, ref media.Ref) {
	head := w.Header()
	head["Etag"] = []string{entityTag(ref)}
	head["Cache-Control"] = h.kept(c)
	head["Accept-Ranges"] = h.values.bytes
	head["Content-Type"] = h.contentType(v, ref.Rendition)
}

// kept returns the Cache-Control of objects.
func (h *Handler) kept(c *Served) []string {
	if c.Lifetime != nil {
		return c.Lifetime.object
	}
	return h.values.immutable
}

// entityTag returns an object's entity tag: its name, which stands for the same bytes for ever (invariant I1).
func entityTag(ref media.Ref) string {
	b := make([]byte, 0, 64)
	b = append(b, '"')
	b = append(b, ref.Rendition...)
	b = append(b, '-')
	b = ref.AppendFile(b)
	return string(append(b, '"'))
}

// ahead reports whether a segment or part is one that may yet come.
func ahead(v *media.View, ref media.Ref) bool {
	r := v.Find(ref.Rendition)
	if r == nil || v.Ended || ref.Kind == media.ObjectInit {
		return false
	}
	last, ok := r.LastNumber()
	return !ok || ref.Number > last
}

// section returns the bytes from start on, size of them, of consecutive pieces.
func section(data [][]byte, start, size int64) [][]byte {
	if start == 0 && len(data) == 1 && int64(len(data[0])) == size {
		return data
	}
	var list [][]byte
	for _, b := range data {
		if skip := min(start, int64(len(b))); skip > 0 {
			b = b[skip:]
			start -= skip
		}
		if n := min(size, int64(len(b))); n > 0 {
			list = append(list, b[:n])
			size -= n
		}
	}
	return list
}

// rangeApplies reports whether an If-Range allows a range: when it is absent or the object's strong entity tag.
func rangeApplies(ifRange, etag string) bool { return ifRange == "" || ifRange == etag }

// parseRange parses a Range of one part (RFC 9110 14.1.2) for an object of size bytes. ok is false when it is to be ignored:
// another unit, bad syntax, or several ranges, which no player sends and an attacker could multiply. length is 0 when the
// range cannot be satisfied.
func parseRange(value string, size int64) (start, length int64, ok bool) {
	spec, ok := strings.CutPrefix(value, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, 0, false
	}
	if first == "" {
		n, ok := parsePosition(last)
		n = min(n, size)
		return size - n, n, ok
	}
	from, ok := parsePosition(first)
	to := size - 1
	if last != "" && ok {
		to, ok = parsePosition(last)
		to = min(to, size-1) // RFC 8673: a client may ask up to 2^53-1 for what grows
	}
	if !ok || last != "" && to < from && from < size {
		return 0, 0, false
	}
	return from, max(0, to-from+1), true
}

func parsePosition(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
