// Package journal keeps the events of a node: what happened, in one order, in a bounded log on disk that readers follow from
// any position, also over a restart.
//
// Who appends never waits for the disk, and a reader holds up nobody: it has a position, not a queue.
package journal
