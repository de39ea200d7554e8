package origin

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"

	"headwater.stream/internal/media"
)

// picture serves the poster, the storyboard or a sheet of it. They are small: Range is ignored, as RFC 9110 14.2 allows.
func (h *Handler) picture(w http.ResponseWriter, r *http.Request, c *Served, name string) error {
	if h.metrics.Waiting.Add(1) > h.maxWaiting {
		h.metrics.Waiting.Add(-1)
		h.metrics.Refused.Add(1)
		return errBusy
	}
	body, err := c.Gallery.Picture(r.Context(), name)
	h.metrics.Waiting.Add(-1)
	if err != nil {
		return err
	}
	head := w.Header()
	etag, cache := fmt.Sprintf(`"%x-%x"`, crc32.ChecksumIEEE(body), len(body)), h.ended(c)
	if _, ok := media.ParseSheet(name); ok {
		cache = h.kept(c) // its name stands for these bytes
	}
	head["Etag"], head["Cache-Control"] = []string{etag}, cache
	if matches(r.Header["If-None-Match"], etag) {
		h.notModified(w)
		return nil
	}
	head["Content-Type"] = h.values.jpeg
	if strings.HasSuffix(name, ".vtt") {
		head["Content-Type"] = h.values.vtt
	}
	h.metrics.Objects.Add(1)
	h.send(w, r, http.StatusOK, [][]byte{body}, int64(len(body)))
	return nil
}
