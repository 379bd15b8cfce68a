package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// MaxEvery is the longest duration of @every.
const MaxEvery = 366 * 24 * time.Hour

// maxCronBytes is the length of the longest expression: lists of every value of every field are shorter.
const maxCronBytes = 1000

// field is one of the five of an expression.
type field struct {
	name       string
	least      int
	greatest   int
	names      []string // of the values from least on
	wrapsToSun bool     // 7 is another 0
}

var cronFields = [...]field{
	{name: "minute", least: 0, greatest: 59},
	{name: "hour", least: 0, greatest: 23},
	{name: "day of the month", least: 1, greatest: 31},
	{
		name: "month", least: 1, greatest: 12,
		names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
	},
	{
		name: "day of the week", least: 0, greatest: 6,
		names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, wrapsToSun: true,
	},
}

// all returns the set of all values of the field.
func (f *field) all() values { return span(f.least, f.greatest) }

// values is a set of values of a field: bit n stands for n.
type values uint64

// span returns the values from one to another, both included.
func span(from, to int) values { return values(1)<<(to+1) - values(1)<<from }

func (v values) has(n int) bool { return v>>n&1 != 0 }

// size returns how many values there are.
func (v values) size() int64 { return int64(bits.OnesCount64(uint64(v))) }

// below returns those of the values that are less than n, 0 to 63.
func (v values) below(n int) values { return v & (values(1)<<n - 1) }

// from returns those of the values that are n or greater, 0 to 63.
func (v values) from(n int) values { return v &^ (values(1)<<n - 1) }

// first returns the least of the values, of which there is one.
func (v values) first() int { return bits.TrailingZeros64(uint64(v)) }

// last returns the greatest of the values, of which there is one.
func (v values) last() int { return bits.Len64(uint64(v)) - 1 }

// macros are the names of common expressions.
var macros = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// cronForms says what an expression may be, for messages.
const cronForms = `write five fields (minute, hour, day of the month, month, day of the week), as in "30 2 * * mon-fri", ` +
	`or @hourly, @daily, @weekly, @monthly, @yearly, or "@every 90s"`

// parseCron reads an expression: the times of a calendar that fit it, or the seconds of @every. The problem says what
// is wrong and what would be right; it is empty where nothing is.
func parseCron(text string) (times calendar, every int64, problem string) {
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return times, 0, "it is missing; " + cronForms
	case len(text) > maxCronBytes:
		return times, 0, fmt.Sprintf("it has %d bytes; it must be at most %d", len(text), maxCronBytes)
	case strings.HasPrefix(words[0], "TZ=") || strings.HasPrefix(words[0], "CRON_TZ="):
		return times, 0, fmt.Sprintf("%.64q is no field; give the time zone in timezone", words[0])
	case words[0] == "@every":
		every, problem = parseEvery(words[1:])
		return times, every, problem
	case words[0][0] == '@':
		long, known := macros[words[0]]
		if !known || len(words) > 1 {
			return times, 0, fmt.Sprintf("%.64q is not known; %s", text, cronForms)
		}
		words = strings.Fields(long)
	}
	if len(words) != len(cronFields) {
		problem = fmt.Sprintf("%.64q has %d fields; %s", text, len(words), cronForms)
		if len(words) == len(cronFields)+1 {
			problem += "; there is none for seconds"
		}
		return times, 0, problem
	}
	var sets [len(cronFields)]values
	for i := range cronFields {
		if sets[i], problem = cronFields[i].parse(words[i]); problem != "" {
			return times, 0, fmt.Sprintf("the %s %.64q: %s", cronFields[i].name, words[i], problem)
		}
	}
	times = calendar{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4]}
	if !times.possible() {
		return times, 0, fmt.Sprintf("%.64q never comes: no month that it allows has a day %d; give another day or month",
			text, times.days.first())
	}
	return times, 0, ""
}

// parseEvery reads what stands behind @every.
func parseEvery(words []string) (seconds int64, problem string) {
	if len(words) != 1 {
		return 0, `@every needs one duration after it, as in "@every 90s"`
	}
	d, err := sluice.ParseDuration(words[0])
	switch {
	case err != nil:
		return 0, problemOf(err)
	case d < time.Second || d > MaxEvery:
		return 0, fmt.Sprintf("@every %.64s is out of range; it must be 1s to 366d", words[0])
	case d%time.Second != 0:
		return 0, fmt.Sprintf("@every %.64s is not whole; it must be whole seconds", words[0])
	}
	return int64(d / time.Second), ""
}

// parse reads a field: items with commas between them.
func (f *field) parse(text string) (set values, problem string) {
	for item := range strings.SplitSeq(text, ",") {
		some, problem := f.parseItem(item)
		if problem != "" {
			return 0, problem
		}
		set |= some
	}
	return set, ""
}

// parseItem reads *, a value or a range, and the step behind it.
func (f *field) parseItem(text string) (set values, problem string) {
	base, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		if step, problem = f.step(stepText); problem != "" {
			return 0, problem
		}
	}
	first, last, isRange := strings.Cut(base, "-")
	from, to := f.least, f.greatest
	switch {
	case base == "*":
	case isRange:
		if from, problem = f.value(first); problem != "" {
			return 0, problem
		}
		if to, problem = f.value(last); problem != "" {
			return 0, problem
		}
		if f.wrapsToSun && to == 0 && from > 0 {
			to = 7 // as in fri-sun
		}
		if f.wrapsToSun && from == 7 && to < 7 {
			from = 0 // as in 7-3
		}
		if from > to {
			return 0, fmt.Sprintf("%.32q goes down; write %d-%d,%d-%d", base, from, f.greatest, f.least, to)
		}
	default:
		if from, problem = f.value(base); problem != "" {
			return 0, problem
		}
		if stepped {
			return 0, fmt.Sprintf("%.32q has a step without a range; write %d-%d/%d", text, from, f.greatest, step)
		}
		to = from
	}
	for n := from; n <= to; n += step {
		if f.wrapsToSun && n == 7 {
			set |= 1
			continue
		}
		set |= 1 << n
	}
	return set, ""
}

// value reads a number or a name.
func (f *field) value(text string) (n int, problem string) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.least + i, ""
		}
	}
	greatest := f.greatest
	if f.wrapsToSun {
		greatest = 7
	}
	forms := fmt.Sprintf("it must be %d to %d", f.least, greatest)
	if f.names != nil {
		forms += fmt.Sprintf(" or %s to %s", f.names[0], f.names[len(f.names)-1])
	}
	n, whole := digits(text)
	switch {
	case text == "":
		return 0, "a value is missing; " + forms
	case text == "?":
		return 0, `"?" is not known; write * for every value`
	case text == "*":
		return 0, "* stands alone, or before a step as in */5; " + forms
	case !whole:
		return 0, fmt.Sprintf("%.32q is no value; %s", text, forms)
	case n < f.least || n > greatest:
		return 0, fmt.Sprintf("%.32s is out of range; %s", text, forms)
	}
	return n, ""
}

// step reads the number behind a stroke. One that reaches beyond the field is taken for a mistake: */90 is not every 90
// minutes.
func (f *field) step(text string) (n int, problem string) {
	greatest := f.greatest - f.least
	n, whole := digits(text)
	if !whole || n < 1 || n > greatest {
		return 0, fmt.Sprintf(`the step %.32q must be 1 to %d; for longer spans there is @every, as in "@every 90m"`, text, greatest)
	}
	return n, ""
}

// digits reads a number of at most 4 digits and nothing else.
func digits(text string) (n int, whole bool) {
	if text == "" || len(text) > 4 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
