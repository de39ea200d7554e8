package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"headwater.stream/internal/media"
	"headwater.stream/packager/progressive"
)

// Bounds of the files that are kept laid out: each costs its sample tables.
const (
	maxDownloads       = 16
	maxDownloadsMemory = 192 << 20
)

// downloads keeps the MP4 files asked for lately, laid out. One is laid out at a time: that takes a core.
type downloads struct {
	busy chan struct{} // of capacity 1

	mu   sync.Mutex
	list []laidOut // the one asked for last at the end
}

type laidOut struct {
	c        *Channel
	revision uint64
	file     *progressive.File
}

func newDownloads() *downloads { return &downloads{busy: make(chan struct{}, 1)} }

// file returns the file of what a channel has now.
func (d *downloads) file(ctx context.Context, c *Channel) (*progressive.File, error) {
	v := c.p.View()
	if f := d.find(c, v.Revision); f != nil {
		return f, nil
	}
	select {
	case d.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.busy }()
	if f := d.find(c, v.Revision); f != nil {
		return f, nil
	}
	f, err := progressive.New(ctx, v, c.p, nil)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, laidOut{c, v.Revision, f})
	for len(d.list) > 1 && (len(d.list) > maxDownloads || d.memory() > maxDownloadsMemory) {
		d.list = slices.Delete(d.list, 0, 1)
	}
	return f, nil
}

func (d *downloads) memory() (sum int64) {
	for _, l := range d.list {
		sum += l.file.Memory()
	}
	return sum
}

func (d *downloads) find(c *Channel, revision uint64) *progressive.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.list, func(l laidOut) bool { return l.c == c && l.revision == revision })
	if i < 0 {
		return nil
	}
	l := d.list[i]
	d.list = append(slices.Delete(d.list, i, i+1), l)
	return l.file
}

func (d *downloads) forget(f *progressive.File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.DeleteFunc(d.list, func(l laidOut) bool { return l.file == f })
}

// download serves a presentation that has ended as one MP4 file.
func (h *Handler) download(w http.ResponseWriter, r *http.Request, c *Served, name string) error {
	f, err := h.downloads.file(r.Context(), c.Channel)
	if err != nil {
		return err
	}
	etag := `"` + f.Tag() + `"`
	head := w.Header()
	head["Etag"], head["Cache-Control"] = []string{etag}, h.ended(c)
	if matches(r.Header["If-None-Match"], etag) {
		h.notModified(w)
		return nil
	}
	start, size, status, err := h.section(w, r, f.Size(), etag)
	if err != nil {
		delete(head, "Etag")
		return err
	}
	head["Accept-Ranges"], head["Content-Type"] = h.values.bytes, h.values.videoMP4
	head.Set("Content-Disposition", disposition(name+".mp4"))
	head["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	h.metrics.Objects.Add(1)
	rc := http.NewResponseController(w)
	extend(rc)
	h.metrics.status(status)
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	// After an error the body is shorter than its Content-Length: nobody takes it for whole.
	err = f.Copy(r.Context(), stepWriter{w, rc}, c.p, start, size)
	h.sent(size, err)
	if errors.Is(err, media.ErrNotFound) { // damage: laid out again, the file does without that segment
		h.downloads.forget(f)
		h.log.Warn("download ended early", "path", r.URL.Path, "err", err)
	}
	return nil
}

// stepWriter gives the viewer a deadline for each step.
type stepWriter struct {
	w  io.Writer
	rc *http.ResponseController
}

func (s stepWriter) Write(b []byte) (int, error) {
	extend(s.rc)
	return s.w.Write(b)
}

// disposition names a file to be saved, and for those who do not know filename* without what is not ASCII (RFC 6266 4.3).
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + escapeFilename(name)
}

// escapeFilename escapes a file name for a header field (RFC 8187 3.2.1 attr-char).
func escapeFilename(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	var b []byte
	for i := range len(s) {
		if c := s[i]; slices.Contains([]byte(plain), c) {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return string(b)
}
