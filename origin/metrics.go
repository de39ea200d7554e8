package origin

import "sync/atomic"

// Metrics counts what a Handler does. All fields may be read at any time.
type Metrics struct {
	Requests    atomic.Int64 // all requests
	Manifests   atomic.Int64 // playlists and MPDs sent, 304 included
	Objects     atomic.Int64 // initialization sections, segments and parts sent, 304 included
	NotModified atomic.Int64 // 304
	ClientError atomic.Int64 // 4xx
	ServerError atomic.Int64 // 5xx
	Bytes       atomic.Int64 // of bodies
	statuses    [600]atomic.Int64
	Added       Histogram // from the announcement of media to the answer that waited for it

	Waiting    atomic.Int64 // requests that wait now: blocked reloads and held hints
	Waited     atomic.Int64 // requests that have waited
	Expired    atomic.Int64 // waits that ended at their time limit
	Refused    atomic.Int64 // requests refused because too many were waiting, with 503
	TurnedAway atomic.Int64 // connections refused because there are too many
	Stalled    atomic.Int64 // connections dropped because the viewer did not read
}

// status counts an answer.
func (m *Metrics) status(code int) {
	if code >= 0 && code < len(m.statuses) {
		m.statuses[code].Add(1)
	}
}

// Statuses returns how many answers there were of each status.
func (m *Metrics) Statuses() map[int]int64 {
	all := map[int]int64{}
	for code := range m.statuses {
		if n := m.statuses[code].Load(); n > 0 {
			all[code] = n
		}
	}
	return all
}
