// Package watch serves the watch page: one page that plays any presentation of this origin in a browser, over HLS or
// DASH, and shows how well that goes. Everything it needs is in the binary.
package watch

import (
	"embed"
	"net/http"

	"headwater.stream/internal/webfile"
)

// Root is the path the page is served under.
const Root = "/watch/"

//go:embed page/index.html page/watch.css page/watch.js page/players.js page/source.js vendor/hls.min.js vendor/dash.mediaplayer.min.js
var files embed.FS

// policy lets the page load from its own origin only. Players hand media to the video element as blobs, and hls.js
// starts its worker from one.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// Handler serves the page under Root; other paths are answered 404.
func Handler() http.Handler {
	return &webfile.Page{Root: Root, Policy: policy, Files: map[string]*webfile.File{
		"":                        load("page/index.html"),
		"watch.css":               load("page/watch.css"),
		"watch.js":                load("page/watch.js"),
		"players.js":              load("page/players.js"),
		"source.js":               load("page/source.js"),
		"hls.min.js":              HLSPlayer(),
		"dash.mediaplayer.min.js": load("vendor/dash.mediaplayer.min.js"),
	}}
}

// HLSPlayer is hls.js, for other pages of this server.
func HLSPlayer() *webfile.File { return load("vendor/hls.min.js") }

// load reads an embedded file; that it exists is checked by the compiler's embed pattern and the package's test.
func load(name string) *webfile.File {
	content, err := files.ReadFile(name)
	if err != nil {
		panic("watch: embedded file is missing: " + err.Error())
	}
	return webfile.New(name, content)
}
