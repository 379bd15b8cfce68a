package sluice

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lease lets a server take units of a key ahead, in one call to the store, and spend them without asking. It never lets
// more be admitted than the limits of the policy allow: the store counts what is out. What it costs is that units which a
// server holds and does not spend are missing elsewhere, for at most TTL. See docs/algorithms.md.
type Lease struct {
	// Share is the most that all servers together may hold of one key, in percent of what each limit holds, 1 to 100.
	Share int
	// TTL is how long units are lent at the longest, [MinLeaseTTL] to [MaxLeaseTTL] in whole milliseconds.
	TTL time.Duration
}

const (
	// DefaultLeaseShare is the Share of a lease of which nothing is said, in percent.
	DefaultLeaseShare = 10
	// DefaultLeaseTTL is the TTL of a lease of which nothing is said.
	DefaultLeaseTTL = time.Second
	// MinLeaseTTL and MaxLeaseTTL are the ends of the range of [Lease].TTL.
	MinLeaseTTL = 10 * time.Millisecond
	MaxLeaseTTL = time.Minute
)

// Validate reports everything that is wrong with the lease, each fault as an [*InvalidError] whose field is "share" or
// "ttl"; or nil.
func (l Lease) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if l.Share < 1 || l.Share > 100 {
		fault("share", "it is %d%%; it must be 1%% to 100%%", l.Share)
	}
	switch {
	case l.TTL < MinLeaseTTL || l.TTL > MaxLeaseTTL:
		fault("ttl", "it is %s; it must be %s to %s", DurationText(l.TTL), DurationText(MinLeaseTTL), DurationText(MaxLeaseTTL))
	case l.TTL%time.Millisecond != 0:
		fault("ttl", "it is %s; it must be whole milliseconds", DurationText(l.TTL))
	}
	return errors.Join(faults...)
}

// ParseShare reads the Share of a lease as the configuration writes it: "10%". Whether it is from 1 to 100 is for
// [Lease.Validate] to say. The error is an [*InvalidError] that says what would be right.
func ParseShare(text string) (int, error) {
	digits, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseUint(digits, 10, 16)
	if !percent || err != nil {
		return 0, &InvalidError{Field: "share", Problem: quoteShort(text) + ` is no share; write whole percent, as in "10%"`}
	}
	return int(share), nil
}

// ShareText returns the Share of a lease as [ParseShare] reads it.
func (l Lease) ShareText() string { return strconv.Itoa(l.Share) + "%" }
