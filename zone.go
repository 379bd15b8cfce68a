package sluice

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// zone is a time zone, and for each calendar in it the windows that were last found. It is safe for concurrent use.
type zone struct {
	location *time.Location
	found    [calendarSlots]atomic.Pointer[[4]Tick] // what Calendar.Edges returned last
}

var utc = &zone{location: time.UTC}

// zones are the zones that were asked for and exist, by name. A zone that was found once stays, so that a limit that was
// valid never ceases to be. The map is replaced and never changed: readers need no lock.
var (
	zones   atomic.Pointer[map[string]*zone]
	addZone sync.Mutex
)

const (
	maxZones    = 1024 // that are kept; the database has 600
	maxZoneName = 64   // bytes; the longest of the database has 32
)

// zoneOf returns the zone of a name, or what is wrong with the name and what would be right.
func zoneOf(name string) (z *zone, problem string) {
	if name == "UTC" {
		return utc, ""
	}
	if known := zones.Load(); known != nil {
		if z := (*known)[name]; z != nil {
			return z, ""
		}
	}
	location, problem := loadZone(name)
	if problem != "" {
		return nil, problem
	}
	return keepZone(name, location)
}

func keepZone(name string, location *time.Location) (z *zone, problem string) {
	addZone.Lock()
	defer addZone.Unlock()
	grown := map[string]*zone{}
	if known := zones.Load(); known != nil {
		grown = maps.Clone(*known)
	}
	switch {
	case grown[name] != nil: // another caller was faster
		return grown[name], ""
	case len(grown) >= maxZones:
		return nil, fmt.Sprintf("the zone %s is one too many: this process uses %d already", quoteShort(name), maxZones)
	}
	z = &zone{location: location}
	grown[strings.Clone(name)] = z
	zones.Store(&grown)
	return z, ""
}

// writeZone says what would be right.
const writeZone = `write a name of the IANA time zone database, as in "Europe/Berlin", or UTC`

func loadZone(name string) (location *time.Location, problem string) {
	if name == "" {
		return nil, "there is no time zone; " + writeZone
	}
	if ofDatabase(name) {
		location, err := time.LoadLocation(name)
		if err == nil {
			return location, ""
		}
		if _, err := time.LoadLocation("Etc/UTC"); err != nil {
			return nil, fmt.Sprintf("the zone %s cannot be read, because there is no time zone database here; %s",
				quoteShort(name), "install tzdata, or import time/tzdata in the program")
		}
	}
	return nil, fmt.Sprintf("the zone %s is unknown; %s", quoteShort(name), writeZone)
}

// ofDatabase reports whether a name can be one of the database. What means another zone on every machine is none, and
// neither are the same zones again in a form that this package must not see, with leap seconds, or by a path that only a
// file system takes for the same, of which there are more than can be kept.
func ofDatabase(name string) bool {
	switch top, _, _ := strings.Cut(name, "/"); top {
	case "Local", "localtime", "posixrules", "posix", "right":
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '/', c == '_', c == '-', c == '+':
		default:
			return false
		}
	}
	return len(name) <= maxZoneName && !strings.Contains(name, "//")
}

// local returns the local time at an instant in seconds, written as if it were of UTC.
func (z *zone) local(at int64) time.Time {
	offset, _ := z.offset(at)
	return time.Unix(at+offset, 0).UTC()
}

// offset returns what local time is ahead of UTC at an instant, and a later instant until which that does not change,
// all in seconds.
func (z *zone) offset(at int64) (offset, until int64) {
	const day = 24 * 60 * 60
	t := time.Unix(at, 0).In(z.location)
	_, seconds := t.Zone()
	_, end := t.ZoneBounds()
	until = end.Unix()
	switch {
	case end.IsZero():
		until = math.MaxInt64
	case until <= at:
		// In years for which the time package has a rule and no table, it takes it that a year has 365 days: on the
		// last day of a leap year, the bound lies behind. Nothing changes before the year in UTC does.
		until = at - at%day + day
	}
	return int64(seconds), until
}

// first returns the first instant at which local time is a given one or later, in seconds.
func (z *zone) first(local int64) int64 {
	const most = 2 * 24 * 60 * 60 // that a zone is ahead of UTC, and more
	for at := local - most; ; {
		offset, until := z.offset(at)
		if t := max(at, local-offset); t < until {
			return t
		}
		at = until
	}
}

// hour returns from when until when local time shows the hour that it shows at an instant, at the same offset from UTC,
// in seconds.
func (z *zone) hour(at int64) (start, end int64) {
	const hour = 60 * 60
	own, _ := z.offset(at)
	past := (at + own) % hour
	if past < 0 {
		past += hour
	}
	start, end = at-past, at-past+hour
	for t := start; t < end; {
		offset, until := z.offset(t)
		switch {
		case offset == own:
		case t < at:
			start = until
		default:
			end = t
		}
		t = until
	}
	return start, end
}
