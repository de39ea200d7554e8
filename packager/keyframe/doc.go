// Package keyframe makes the key frame that a segment begins with a fragment of its own.
package keyframe
