package origin

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is the http.ResponseWriter of a connection of the Front. The header leaves with the first piece of the body.
type reply struct {
	c      *short
	header http.Header

	method   string
	status   int   // 0: not known yet
	begun    bool  // the header is written
	bare     bool  // there is no body
	length   int64 // of the body, -1: it is sent in chunks
	sent     int64
	last     bool // the connection ends with it
	extended bool // the handler has set a deadline for writing
	err      error

	pieces  [4][]byte // what is written next
	buffers net.Buffers
	line    [20]byte
}

var (
	_ http.ResponseWriter = (*reply)(nil)
	_ io.ReaderFrom       = (*reply)(nil)
)

func (w *reply) reset(method string) {
	clear(w.header)
	*w = reply{c: w.c, header: w.header, method: method}
}

// Header implements http.ResponseWriter.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *reply) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

// SetWriteDeadline is for http.ResponseController.
func (w *reply) SetWriteDeadline(t time.Time) error {
	w.extended = true
	return w.c.nc.SetWriteDeadline(t)
}

// FlushError is for http.ResponseController.
func (w *reply) FlushError() error {
	if !w.begun {
		w.emit(nil, false)
	}
	return w.err
}

// Write implements http.ResponseWriter.
func (w *reply) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, w.err
	}
	if w.begun && w.length >= 0 && w.sent+int64(len(b)) > w.length && !w.bare {
		return 0, http.ErrContentLength
	}
	w.emit(b, false)
	if w.err != nil {
		return 0, w.err
	}
	return len(b), nil
}

// ReadFrom implements io.ReaderFrom: what is in a file goes by sendfile.
func (w *reply) ReadFrom(r io.Reader) (int64, error) {
	if err := w.FlushError(); err != nil {
		return 0, err
	}
	if w.bare || w.length < 0 {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := io.Copy(w.c.nc, r)
	w.sent += n
	w.err = err
	return n, err
}

// finish writes what is left and reports whether another request may follow.
func (w *reply) finish() (more bool) {
	if !w.begun || w.length < 0 && !w.bare {
		w.emit(nil, true)
	}
	return w.err == nil && !w.last && (w.bare || w.length < 0 || w.sent == w.length)
}

// emit writes a piece of the body, with all that has to go before it, and with end what has to go behind the last one.
func (w *reply) emit(b []byte, end bool) {
	if w.err != nil {
		return
	}
	vec := w.pieces[:0]
	if !w.begun {
		w.begun = true
		w.WriteHeader(http.StatusOK)
		w.frame(b, end)
		if !w.extended {
			w.err = w.c.nc.SetWriteDeadline(time.Now().Add(stallTime))
		}
		space := w.c.f.heads.Get().(*[headBytes]byte)
		defer w.c.f.heads.Put(space)
		vec = append(vec, w.appendHead(space[:0]))
	}
	if w.bare {
		b, end = nil, false
	}
	chunked := w.length < 0
	if len(b) > 0 && chunked {
		vec = append(vec, append(strconv.AppendInt(w.line[:0], int64(len(b)), 16), "\r\n"...))
	}
	if len(b) > 0 {
		vec = append(vec, b)
		w.sent += int64(len(b))
	}
	switch {
	case len(b) > 0 && chunked:
		vec = append(vec, []byte("\r\n"))
	case end && chunked && !w.bare:
		vec = append(vec, []byte("0\r\n\r\n"))
	}
	if len(vec) == 0 || w.err != nil {
		return
	}
	w.buffers = vec
	_, w.err = w.buffers.WriteTo(w.c.nc)
	clear(w.pieces[:])
}

// frame decides how the end of the body is told (RFC 9112 6.3); b is its first piece.
func (w *reply) frame(b []byte, end bool) {
	head := w.header
	if w.c.f.ending() {
		head["Connection"] = []string{"close"}
	}
	w.last = len(head["Connection"]) > 0
	w.bare = w.method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
	if value := head["Content-Length"]; len(value) == 1 {
		n, err := strconv.ParseInt(value[0], 10, 64)
		if w.length = n; err == nil {
			return
		}
		delete(head, "Content-Length")
	}
	switch {
	case w.bare:
	case end: // there was none
		head["Content-Length"] = []string{"0"}
	default:
		w.length = -1
		head["Transfer-Encoding"] = []string{"chunked"}
	}
	if len(b) > 0 && head["Content-Type"] == nil {
		head["Content-Type"] = []string{http.DetectContentType(b)}
	}
}

// noLineBreaks keeps a value from becoming two fields.
var noLineBreaks = strings.NewReplacer("\r", " ", "\n", " ")

// appendHead appends status line and header.
func (w *reply) appendHead(b []byte) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(b, ' '), http.StatusText(w.status)...)
	b = append(b, "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\n"...)
	for key, values := range w.header {
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n") {
				value = noLineBreaks.Replace(value)
			}
			b = append(append(b, key...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}
