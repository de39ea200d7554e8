// Package lint looks at a live or recorded stream from outside, over HTTP, and explains what of it breaks the rules that
// players and caches rely on.
//
// A follower fetches manifests and media as a player would and hands what it sees to the rules: a table with one function per
// rule, which gets one thing it can judge (a playlist, two consecutive ones, an exchange, a segment) and says what is wrong
// with it. Nothing but the newest snapshot of each manifest is kept.
package lint
