// Package archtest holds the rules about the source itself: who may import whom, what the pure packages never touch, and
// the habits of the house that a machine can check. It has only tests.
package archtest
