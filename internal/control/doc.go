// Package control holds the rules of the resource model: validation, state machines, references, long-running operations,
// and the one reconcile loop that brings what runs to what is stored.
package control
