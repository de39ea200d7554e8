// Package filter makes a Presentation show a part of itself: a range of time, some of its tracks. Nothing is copied or
// renamed; what is left are the same objects under the same names.
package filter
