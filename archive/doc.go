// Package archive is what remains of a live event: the asset format (docs/format/asset-v1.md), the Recorder that fills an
// asset from a timeline, and the Asset that replays it. Where the bytes are kept is behind the Store seam.
package archive
