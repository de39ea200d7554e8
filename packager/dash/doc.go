// Package dash renders the MPD of a View: SegmentTemplate with $Number$ and SegmentTimeline over the same objects as the HLS
// playlists, one Period per discontinuity range (ISO/IEC 23009-1; DASH-IF restricted timing model).
//
// The document is built with Eyevinn/dash-mpd; only the S elements, thousands in a long window, are written here.
package dash
