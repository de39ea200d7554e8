// Package hook delivers the events of the journal to webhooks: signed, in order per live event, again and again until they are
// taken, and only to addresses that are allowed.
//
// The queue of a hook is the journal itself, with a position that is kept in a file: it has no bound but the journal's, and a
// process that is killed goes on where it was. What was under way then comes twice, with the same ID.
package hook
