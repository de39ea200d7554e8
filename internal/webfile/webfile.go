// Package webfile sends the files of a web page that are in the binary: revalidated by their entity tags, compressed once,
// under a Content-Security-Policy.
package webfile

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// File is one file, ready to be sent.
type File struct {
	contentType string
	plain       []byte
	gzipped     func() []byte // made when first asked for; nil when it failed
	tag         string        // of the entity tag
}

// New returns the file with that content; the name tells its type.
func New(name string, content []byte) *File {
	sum := sha256.Sum256(content)
	return &File{
		contentType: contentType(path.Ext(name)),
		plain:       content,
		gzipped:     sync.OnceValue(func() []byte { return compress(content) }),
		tag:         hex.EncodeToString(sum[:8]),
	}
}

// contentType knows the modules of scripts too, which the tables of some systems lack.
func contentType(ext string) string {
	if ext == ".mjs" {
		ext = ".js"
	}
	return mime.TypeByExtension(ext)
}

func compress(plain []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		return nil
	}
	if err := z.Close(); err != nil {
		return nil
	}
	return b.Bytes()
}

// Page is the files of a page by their names below its root; "" is the document.
type Page struct {
	Root   string // begins and ends with a slash
	Policy string // its Content-Security-Policy
	Files  map[string]*File
}

// ServeHTTP implements http.Handler; what is not of the page is answered 404.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == strings.TrimSuffix(p.Root, "/") {
		target := p.Root
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, http.StatusMovedPermanently)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, p.Root)
	f := p.Files[name]
	if !ok || f == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Security-Policy", p.Policy)
	f.serve(w, r)
}

// serve answers one request, with the file revalidated by its entity tag so that a new binary is never mixed with
// files of an old one.
func (f *File) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept-Encoding")
	body, tag := f.plain, f.tag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if z := f.gzipped(); z != nil {
			body, tag = z, f.tag+"-gz"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reports whether gzip is listed and not refused with q=0 (RFC 9110 12.5.3).
func acceptsGzip(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return strings.Trim(q, "0.") != "" || q == ""
		}
	}
	return false
}
