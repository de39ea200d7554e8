package origin

import (
	"net/http"
	"time"
)

// Limits of the HTTP server. There is no ReadTimeout and no WriteTimeout: they would cut blocked requests and long downloads;
// the Handler moves a write deadline with each step instead, and takes no bodies.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	maxStreams        = 128 // of one HTTP/2 connection: a player holds two playlists and two hints
)

// NewServer returns an http.Server with limits that keep hostile viewers from holding more than a connection. The caller
// sets ErrorLog and BaseContext, listens and shuts down.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: idleTimeout, WriteByteTimeout: stallTime},
	}
}
