// Package doctor measures what an encoder sends and says in plain words what is wrong with it: what is the matter, what it does
// to viewers, and which setting of OBS or ffmpeg changes it. It is pure: times are arguments, and findings are a function of
// the measurements.
package doctor
