// Package timeline is the live edge of one event: one writer appends parts and ends segments, any number of readers load
// the current View, wait for the next one and open objects. It numbers segments, names ranges, keeps the newest bytes in
// memory and has a Spool keep all of them, so that a crash loses nothing that was announced (invariant I2).
package timeline
