// Package api is the control API: the resource model of Azure Media Services v3 as Go types, the Service that a control
// plane implements, the HTTP handler that puts a Service on the wire, and the Client that calls it.
package api
