// Package hls renders the playlists of a View: the multivariant playlist, and the media playlists of a rendition with their
// delta updates, for low-latency, plain live and recorded presentations (draft-pantos-hls-rfc8216bis).
//
// The media playlist is written here and not by a library: none can place the low-latency tags (EXT-X-PART after the last
// segment, EXT-X-PRELOAD-HINT, EXT-X-RENDITION-REPORT, EXT-X-SKIP), and a day-long window must cost no more per part than a
// short one. The multivariant playlist is grafov/m3u8's.
package hls
