package schedule

import "time"

// calendar is the dates and times that fit an expression, as clocks show them. A time is given as a reading: the
// seconds since the Unix epoch at which a clock in UTC shows it. It knows no time zone.
type calendar struct {
	minutes, hours, days, months, weekdays values
}

const daySeconds = 24 * 60 * 60

// everyHour reports whether the calendar allows every hour of a day.
func (c *calendar) everyHour() bool { return c.hours == cronFields[1].all() }

// anyDay and anyWeekday report whether a field of days restricts nothing.
func (c *calendar) anyDay() bool     { return c.days == cronFields[2].all() }
func (c *calendar) anyWeekday() bool { return c.weekdays == cronFields[4].all() }

// possible reports whether there are days that fit: 30 February is none.
func (c *calendar) possible() bool {
	if !c.anyWeekday() {
		return true // every month has each of them, and where both are restricted either will do
	}
	longest := [...]int{1: 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for month, days := range longest {
		if c.months.has(month) && c.days.first() <= days {
			return true
		}
	}
	return false
}

// fits reports whether a day fits, counted from the Unix epoch.
func (c *calendar) fits(day int64) bool {
	t := time.Unix(day*daySeconds, 0).UTC()
	_, month, date := t.Date()
	if !c.months.has(int(month)) {
		return false
	}
	byDate, byWeekday := c.days.has(date), c.weekdays.has(int(t.Weekday()))
	if c.anyDay() || c.anyWeekday() {
		return byDate && byWeekday
	}
	return byDate || byWeekday
}

// next returns the first reading that fits of those from one to before another.
func (c *calendar) next(from, to int64) (reading int64, found bool) {
	from = -floorDiv(-from, 60) * 60 // no reading within a minute fits
	day := floorDiv(from, daySeconds)
	minute := int(from-day*daySeconds) / 60
	for ; day*daySeconds < to; day, minute = day+1, 0 {
		if !c.fits(day) {
			continue
		}
		if m, ok := c.nextMinute(minute); ok {
			reading = day*daySeconds + int64(m)*60
			return reading, reading < to
		}
	}
	return 0, false
}

// prev returns the last reading that fits of those from one to before another.
func (c *calendar) prev(from, to int64) (reading int64, found bool) {
	to = -floorDiv(-to, 60) * 60
	day := floorDiv(to-1, daySeconds)
	minute := int(to-day*daySeconds) / 60
	for ; (day+1)*daySeconds > from; day, minute = day-1, 24*60 {
		if !c.fits(day) {
			continue
		}
		if m, ok := c.prevMinute(minute); ok {
			reading = day*daySeconds + int64(m)*60
			return reading, reading >= from
		}
	}
	return 0, false
}

// count returns how many readings fit of those from one to before another.
func (c *calendar) count(from, to int64) (n int64) {
	if from >= to {
		return 0
	}
	first, last := floorDiv(from, daySeconds), floorDiv(to, daySeconds)
	for day := first; day <= last; day++ {
		if !c.fits(day) {
			continue
		}
		if day == first {
			n -= c.minutesBefore(from - day*daySeconds)
		}
		if day == last {
			n += c.minutesBefore(to - day*daySeconds)
		} else {
			n += c.hours.size() * c.minutes.size()
		}
	}
	return n
}

// nextMinute returns the first minute of the day that fits, from one on.
func (c *calendar) nextMinute(minute int) (next int, found bool) {
	hour := minute / 60
	if c.hours.has(hour) {
		if rest := c.minutes.from(minute % 60); rest != 0 {
			return hour*60 + rest.first(), true
		}
		hour++
	}
	if rest := c.hours.from(hour); rest != 0 {
		return rest.first()*60 + c.minutes.first(), true
	}
	return 0, false
}

// prevMinute returns the last minute of the day that fits, before one.
func (c *calendar) prevMinute(minute int) (prev int, found bool) {
	hour := minute / 60
	if c.hours.has(hour) {
		if rest := c.minutes.below(minute % 60); rest != 0 {
			return hour*60 + rest.last(), true
		}
	}
	if rest := c.hours.below(hour); rest != 0 {
		return rest.last()*60 + c.minutes.last(), true
	}
	return 0, false
}

// minutesBefore returns how many minutes of the day fit that begin before a second of it.
func (c *calendar) minutesBefore(second int64) int64 {
	minute := int(second+59) / 60
	hour := minute / 60
	n := c.hours.below(hour).size() * c.minutes.size()
	if c.hours.has(hour) {
		n += c.minutes.below(minute % 60).size()
	}
	return n
}

// floorDiv returns the greatest whole number that is not above a/b; b is positive.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
