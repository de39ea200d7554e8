// Package origin is the HTTP side of delivery: it resolves a public path to a presentation, waits where the viewer asks it to,
// streams manifests and media objects, and maps errors to statuses.
//
// A viewer costs a load, a compare and a write: every manifest is rendered once per View and coding and shared by all who ask
// for it, and nothing in an answer depends on who asks.
package origin
