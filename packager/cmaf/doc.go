// Package cmaf turns samples into aligned CMAF chunks (ISO/IEC 23000-19): one track per file, every chunk a moof and an
// mdat, every segment starting at an IDR. It is synchronous: no goroutine, no clock, no I/O; time comes with the samples.
package cmaf
