package lint

// nothing is what a rule says of a thing that it has nothing to say about.
const nothing = "\x00"

// Rule is one rule and how to see that it is broken. Exactly one of its functions is set; it returns what was seen, "" when
// all is well, or nothing.
type Rule struct {
	ID     string
	Level  Level
	Says   string
	Hurts  string
	Clause string
	Fix    string

	multivariant func(m *Multivariant) string
	list         func(p *Playlist) string
	change       func(old, new *Playlist) string // two consecutive snapshots of one playlist
	set          func(all []*Playlist) string    // the newest of each rendition, seen at about one time
	exchange     func(x *Exchange) string
	object       func(o *Object) string
	mpd          func(m *Manifest) string
	mpdChange    func(old, new *Manifest) string
	trick        func(t *Trick) string
	rate         func(r *Rate) string
	pace         func(c *cadence) string
}

// Rules returns all rules, in the order of docs/lint.md.
func Rules() []Rule {
	var all []Rule
	for _, some := range [][]Rule{multivariantRules(), playlistRules(), changeRules(), lowLatencyRules(), lowLatencyHTTPRules(), httpRules(), mediaRules(), mpdRules(), timelineRules(), iframeRules(), rateRules()} {
		all = append(all, some...)
	}
	return all
}

func (j *judge) multivariant(m *Multivariant) {
	j.apply(m.URL, func(r *Rule) (string, bool) {
		if r.multivariant == nil {
			return "", false
		}
		return r.multivariant(m), true
	})
}

func (j *judge) list(old, p *Playlist) {
	j.apply(p.URL, func(r *Rule) (string, bool) {
		switch {
		case r.list != nil:
			return r.list(p), true
		case r.change != nil && old != nil:
			return r.change(old, p), true
		}
		return "", false
	})
}

func (j *judge) set(all []*Playlist) {
	j.apply(all[0].URL, func(r *Rule) (string, bool) {
		if r.set == nil {
			return "", false
		}
		return r.set(all), true
	})
}

func (j *judge) exchange(x *Exchange) {
	j.apply(x.URL, func(r *Rule) (string, bool) {
		if r.exchange == nil {
			return "", false
		}
		return r.exchange(x), true
	})
}

func (j *judge) object(o *Object) {
	j.apply(o.URL, func(r *Rule) (string, bool) {
		if r.object == nil {
			return "", false
		}
		return r.object(o), true
	})
}

func (j *judge) manifest(old, m *Manifest) {
	j.apply(m.URL, func(r *Rule) (string, bool) {
		switch {
		case r.mpd != nil:
			return r.mpd(m), true
		case r.mpdChange != nil && old != nil:
			return r.mpdChange(old, m), true
		}
		return "", false
	})
}

func (j *judge) trick(t *Trick) {
	j.apply(t.List.URL, func(r *Rule) (string, bool) {
		if r.trick == nil {
			return "", false
		}
		return r.trick(t), true
	})
}

func (j *judge) rate(x *Rate) {
	j.apply(x.URL, func(r *Rule) (string, bool) {
		if r.rate == nil {
			return "", false
		}
		return r.rate(x), true
	})
}

func (j *judge) pace(where string, c *cadence) {
	j.apply(where, func(r *Rule) (string, bool) {
		if r.pace == nil {
			return "", false
		}
		return r.pace(c), true
	})
}
