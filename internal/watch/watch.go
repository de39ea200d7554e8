// Package watch serves the watch page: one page that plays any presentation of this origin in a browser, over HLS or
// DASH, and shows how well that goes. Everything it needs is in the binary.
package watch

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Root is the path the page is served under.
const Root = "/watch/"

//go:embed page/index.html page/watch.css page/watch.js page/players.js page/source.js vendor/hls.min.js vendor/dash.mediaplayer.min.js
var files embed.FS

// policy lets the page load from its own origin only. Players hand media to the video element as blobs, and hls.js
// starts its worker from one.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// asset is one file of the page, ready to be sent.
type asset struct {
	contentType string
	plain       []byte
	gzipped     func() []byte // made when first asked for; nil when it failed
	tag         string        // of the entity tag
}

// Handler serves the page under Root; other paths are answered 404.
func Handler() http.Handler {
	assets := map[string]*asset{
		"":                        load("page/index.html"),
		"watch.css":               load("page/watch.css"),
		"watch.js":                load("page/watch.js"),
		"players.js":              load("page/players.js"),
		"source.js":               load("page/source.js"),
		"hls.min.js":              load("vendor/hls.min.js"),
		"dash.mediaplayer.min.js": load("vendor/dash.mediaplayer.min.js"),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == strings.TrimSuffix(Root, "/") {
			target := Root
			if r.URL.RawQuery != "" {
				target += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, target, http.StatusMovedPermanently)
			return
		}
		name, ok := strings.CutPrefix(r.URL.Path, Root)
		a := assets[name]
		if !ok || a == nil {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a.serve(w, r)
	})
}

// load reads an embedded file; that it exists is checked by the compiler's embed pattern and the package's test.
func load(name string) *asset {
	plain, err := files.ReadFile(name)
	if err != nil {
		panic("watch: embedded file is missing: " + err.Error())
	}
	sum := sha256.Sum256(plain)
	return &asset{
		contentType: mime.TypeByExtension(path.Ext(name)),
		plain:       plain,
		gzipped:     sync.OnceValue(func() []byte { return compress(plain) }),
		tag:         hex.EncodeToString(sum[:8]),
	}
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

// serve answers one request, with the file revalidated by its entity tag so that a new binary is never mixed with
// files of an old one.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, a.tag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if z := a.gzipped(); z != nil {
			body, tag = z, a.tag+"-gz"
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
