package origin

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"headwater.stream/internal/media"
)

// A viewer must take stallStep bytes within stallTime, or the connection is dropped: what it holds is then a socket buffer
// and a slice of what all share. A part of 10 Mbit/s video is written in one step.
const (
	stallStep = 256 << 10
	stallTime = 30 * time.Second
)

// send writes an answer of known size. For HEAD it writes the header only.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, status int, body [][]byte, size int64) {
	if head := w.Header(); head["Content-Length"] == nil {
		head["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	}
	rc := http.NewResponseController(w)
	h.metrics.status(status)
	w.WriteHeader(status)
	if r.Method == http.MethodHead || size == 0 {
		extend(rc)
		return
	}
	var err error
	for _, b := range body {
		if err = put(w, rc, b); err != nil {
			break
		}
	}
	h.sent(size, err)
}

// put writes a piece of a body, with a deadline for each step.
func put(w io.Writer, rc *http.ResponseController, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), stallStep)
		extend(rc)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sendFile is send for size bytes of a file from its current position; net/http copies with sendfile. After
// an error the body is shorter than its Content-Length, so net/http ends the connection and no viewer takes it for whole.
func (h *Handler) sendFile(w http.ResponseWriter, r *http.Request, status int, f media.File, size int64) {
	rc := http.NewResponseController(w)
	h.metrics.status(status)
	w.WriteHeader(status)
	if r.Method == http.MethodHead || size == 0 {
		extend(rc)
		return
	}
	h.sent(size, putFile(w, rc, f, size))
}

// putFile is put for size bytes of a file from its current position.
func putFile(w io.Writer, rc *http.ResponseController, f media.File, size int64) error {
	for left := size; left > 0; {
		extend(rc)
		n, err := io.CopyN(w, f, min(left, stallStep))
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// extend gives the viewer until stallTime from now to take the next step. A writer without a socket has no deadlines.
func extend(rc *http.ResponseController) { _ = rc.SetWriteDeadline(time.Now().Add(stallTime)) }

func (h *Handler) sent(size int64, err error) {
	if err == nil {
		h.metrics.Bytes.Add(size)
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		h.metrics.Stalled.Add(1)
	}
}
