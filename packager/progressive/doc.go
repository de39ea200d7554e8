// Package progressive makes one MP4 file, moov before mdat, of the CMAF segments of a presentation that has ended. The file is
// never whole in memory: its head is, the rest is read from the segments when somebody wants it.
package progressive
