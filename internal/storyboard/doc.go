// Package storyboard makes the poster and the thumbnails of a recording with ffmpeg, of key frames alone: what it gives to
// ffmpeg are single samples, what it takes are pictures of a known size, and the JPEG files are its own.
package storyboard
