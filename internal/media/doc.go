// Package media holds the nouns of the system as plain values: what a track is, what a sample, a part and a segment
// are, and the View, the immutable snapshot of what a viewer can ask for. It imports nothing of ours and does nothing.
package media
