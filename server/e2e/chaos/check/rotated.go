package check

import (
	"slices"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// reload is how long the documentation lets a server take until what was written in a file of certificates or tokens counts:
// it looks once a second.
const reload = 1e9

// rotated sees that what was rotated counts: a new certificate or token at every door after reload, and the old one no
// more, on connections that have shown it before neither. Nobody who asks may be denied meanwhile: the callers have changed
// to the new token while both counted.
//
// A server is woken twice on its way, to look and to look again whether the file is whole. So it may be late by twice the
// longest time that the machine stood still: not by all such times, which on a machine that is busy are half of all.
func rotated(run *record.Run, still []stalls, r *Report) {
	// must is whether a server must have seen what was written at an instant.
	must := func(shown *record.Shown, written, at int64) bool {
		return at > written+reload+grace+noise+wakings*still[shown.Server].longest(written, at)
	}
	for i := range run.Shown {
		shown := &run.Shown[i]
		at := slices.IndexFunc(run.Secrets, func(s record.Secret) bool {
			return s.Server == shown.Server && s.Kind == shown.Kind && s.Number == shown.Number
		})
		r.Looked[Rotated]++
		if at < 0 {
			r.violate(Rotated, "%s of server %d, at %s: %s %d, which there is not", shown.Way, shown.Server, seconds(shown.Asked-run.Begin), shown.Kind, shown.Number)
			continue
		}
		secret := &run.Secrets[at]
		switch {
		case shown.Counts && secret.To > 0 && must(shown, secret.To, shown.Asked):
			r.violate(Rotated, "%s of server %d: %s %d counts at %s, %s after it was taken out", shown.Way, shown.Server, shown.Kind, shown.Number,
				seconds(shown.Asked-run.Begin), seconds(shown.Asked-secret.To))
		case !shown.Counts && must(shown, secret.From, shown.Asked) && (secret.To == 0 || shown.Asked+shown.Took < secret.To):
			r.violate(Rotated, "%s of server %d: %s %d does not count at %s, %s after it was written", shown.Way, shown.Server, shown.Kind, shown.Number,
				seconds(shown.Asked-run.Begin), seconds(shown.Asked-secret.From))
		}
	}
	for i := range run.Secrets {
		looked(run, &run.Secrets[i], r)
	}
	for i := range run.Checks {
		if c := &run.Checks[i]; c.Ending == record.Denied {
			r.violate(Rotated, "%s of server %d at %s was denied", c.Door, c.Server, seconds(c.Asked-run.Begin))
		}
	}
}

// looked sees that a secret was looked at on every way, after it must have counted, and after it must have ceased to: else
// nothing is known of it. Of certificates a door shows one, so that who looks at the new one looks at the old one, too.
func looked(run *record.Run, secret *record.Secret, r *Report) {
	sees := func(way string, from, to int64) bool {
		return slices.ContainsFunc(run.Shown, func(s record.Shown) bool {
			return s.Server == secret.Server && s.Kind == secret.Kind && (s.Number == secret.Number || s.Kind == record.Certificate) && s.Way == way &&
				s.Asked > from+reload && (to == 0 || s.Asked < to)
		})
	}
	for _, way := range record.Ways {
		if secret.From > 0 && !sees(way, secret.From, secret.To) {
			r.violate(Rotated, "%s of server %d: nobody has seen that %s %d counts", way, secret.Server, secret.Kind, secret.Number)
		}
	}
	if secret.Kind != record.Token || secret.To == 0 {
		return
	}
	for _, way := range append([]string{record.Held}, record.Ways...) {
		if !sees(way, secret.To, 0) {
			r.violate(Rotated, "%s of server %d: nobody has seen that %s %d does not count any more", way, secret.Server, secret.Kind, secret.Number)
		}
	}
}
