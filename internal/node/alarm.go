package node

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/control"
	"headwater.stream/internal/timeline"
)

// alarms are what is wrong with the disk for an event: with its spool, and with each recording of it.
type alarms struct {
	mu sync.Mutex // held for microseconds
	on map[string]control.Alarm
}

// spoolAlarm names the alarm of an event's spool; a recording's has the name of its output.
const spoolAlarm = "the spool of the live event"

// alarm notes that something of the event cannot be written; nil that it can again. It is told once: in the log, in the
// stream events and in the metrics.
func (e *event) alarm(what string, since time.Time, err error) {
	e.alarms.mu.Lock()
	was, on := e.alarms.on[what]
	reason := timeline.ReasonOf(err).String()
	switch {
	case err == nil && on:
		delete(e.alarms.on, what)
	case err == nil || on && was.Reason == reason:
		e.alarms.mu.Unlock()
		return
	default:
		if on {
			since = was.Since
		}
		if e.alarms.on == nil {
			e.alarms.on = map[string]control.Alarm{}
		}
		e.alarms.on[what] = control.Alarm{Since: since, What: what, Reason: reason, Detail: err.Error()}
	}
	e.alarms.mu.Unlock()
	now := e.clock.now()
	if err == nil {
		e.log.Info("the disk takes bytes again", "what", what, "after", now.Sub(was.Since).Round(time.Second))
		e.trail.add(control.StreamEvent{Time: now, Type: "StorageRecovered", Level: "Information", Code: was.Reason, Reason: what + " is written again."})
		return
	}
	e.metrics.storageFaults.WithLabelValues(reason).Inc()
	e.log.Error("the disk does not take what is live; viewers are served from memory", "what", what, "reason", reason, "err", err)
	e.trail.add(control.StreamEvent{Time: now, Type: "StorageDegraded", Level: "Error", Code: reason, Reason: fmt.Sprintf("%s cannot be written: %v", what, err)})
}

// spoolHealth is told when the spool stops or begins again to keep up.
func (e *event) spoolHealth(h timeline.Health) {
	var err error
	if h.Degraded {
		err = &timeline.Fault{Reason: h.Cause, Err: fmt.Errorf("%s", h.Reason)}
	}
	e.alarm(spoolAlarm, e.clock.now(), err)
}

// read returns the alarms that are on, oldest first.
func (a *alarms) read() []control.Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []control.Alarm
	for _, x := range a.on {
		list = append(list, x)
	}
	slices.SortFunc(list, func(x, y control.Alarm) int {
		return int(x.Since.Compare(y.Since))*2 + strings.Compare(x.What, y.What)
	})
	return list
}

// recovered reports what was broken in a directory that was opened, from a crash or a damaged disk.
func (e *event) recovered(what string, list []archive.Repair) {
	for _, r := range list {
		e.metrics.storageRepairs.Inc()
		e.log.Warn("repaired", "what", what, "file", r.File, "found", r.What, "bytes", r.Bytes)
		e.trail.add(control.StreamEvent{Time: e.clock.now(), Type: "StorageRepaired", Level: "Warning", Code: "S_OK", Reason: fmt.Sprintf("%s: %v", what, r)})
	}
}
