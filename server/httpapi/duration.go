package httpapi

import (
	"errors"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/policy"
)

// lasting is how long a change to a key is to hold: a time, or until an instant, or neither.
type lasting struct {
	length time.Duration
	until  sluice.Tick
}

// said reports whether a body says it.
func (l lasting) said() bool { return l != lasting{} }

// field reads for_ms or until, one of which there can be; known is false where the name is of another field.
func (l *lasting) field(p *bodyParser, name string) (known bool, err error) {
	if name != "for_ms" && name != "until" {
		return false, nil
	}
	if l.said() {
		return true, p.fault(malformedBody, "one of for_ms and until says it all: leave out the other")
	}
	if name == "for_ms" {
		l.length, err = p.milliseconds()
	} else {
		l.until, err = p.instant()
	}
	return true, err
}

// milliseconds reads a time from 1 ms to [sluice.MaxPeriod].
func (p *bodyParser) milliseconds() (time.Duration, error) {
	const what = "a whole number of milliseconds from 1 to 31622400000, in digits"
	n, err := p.integer(what)
	if err == nil && (n < 1 || n > sluice.MaxPeriod.Milliseconds()) {
		err = p.fault(invalidValue, "it is %d; it must be %s", n, what)
	}
	return time.Duration(n) * time.Millisecond, err
}

// lastYear is the last one that an instant can be in that a caller gives: all stores reckon exactly up to there.
const lastYear = 2200

// instant reads an instant after 1970 began; whether it is yet to come is for the store's clock to say.
func (p *bodyParser) instant() (sluice.Tick, error) {
	text, err := p.text()
	if err != nil {
		return 0, err
	}
	at, err := policy.ParseUntil(text)
	if invalid := (*sluice.InvalidError)(nil); errors.As(err, &invalid) {
		return 0, p.fault(invalidValue, "%s", invalid.Problem)
	}
	switch {
	case at.UnixMicro() <= 0:
		return 0, p.fault(invalidValue, "it has passed; give an instant that is yet to come")
	case at.Year() > lastYear:
		return 0, p.fault(invalidValue, "it is after the year %d; give an earlier instant", lastYear)
	}
	return sluice.Tick(at.UnixMicro()), nil
}
