// Package e2e tests the product as its users meet it: the built binary, started as a daemon and driven by its own command
// line, fed by ffmpeg and watched by ffprobe, VLC and the players of a headless Chromium. It has only tests.
package e2e
