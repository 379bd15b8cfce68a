package httpapi

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
)

// Decision is what check, checks and the key call answer, as JSON. Times are whole milliseconds, rounded up.
type Decision struct {
	Allowed bool `json:"allowed"`
	// Policy is the policy that decided; empty where the caller brought limits of his own in the Namespace.
	Policy    string `json:"policy,omitzero"`
	Namespace string `json:"namespace,omitzero"`
	// Key is the key, where it is UTF-8; else KeyBase64 is.
	Key       string `json:"key,omitzero"`
	KeyBase64 []byte `json:"key_base64,omitzero"`
	Cost      int64  `json:"cost"`
	Remaining int64  `json:"remaining"`
	// RetryAfterMS is nil where the cost can never fit.
	RetryAfterMS *int64  `json:"retry_after_ms"`
	ResetAfterMS int64   `json:"reset_after_ms"`
	Limits       []Limit `json:"limits"`
	// DeniedBy are the names of the limits that refused.
	DeniedBy []string `json:"denied_by"`
	Source   string   `json:"source"`
	// Blocked is the block that bars the key; nil where nothing does.
	Blocked *Blocked `json:"blocked,omitzero"`
	// ShadowDenied says that the limits or a block refused, and the policy lets pass all the same.
	ShadowDenied bool `json:"shadow_denied,omitzero"`
}

// Blocked says until when a key is barred, by the store's clock, and why.
type Blocked struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Limit is what one limit says of a decision.
type Limit struct {
	Name         string `json:"name"`
	Limit        string `json:"limit"`
	Remaining    int64  `json:"remaining"`
	ResetAfterMS int64  `json:"reset_after_ms"`
}

// NewDecision returns an answer of the engine as this door gives it. The namespace is that of limits which the caller
// brought; "" where a policy decided.
func NewDecision(a engine.Answer, namespace string) Decision {
	d := Decision{
		Allowed:      a.Allowed,
		Policy:       a.Policy,
		Namespace:    namespace,
		Cost:         a.Cost,
		Remaining:    a.Remaining,
		ResetAfterMS: milliseconds(a.ResetAfter),
		DeniedBy:     a.DeniedBy(),
		Source:       a.Source.String(),
		ShadowDenied: a.ShadowDenied,
	}
	d.Key, d.KeyBase64 = spelled(a.Key)
	if b, barred := a.Blocked(); barred {
		d.Blocked = newBlocked(b)
	}
	if a.RetryAfter != sluice.Never {
		retry := milliseconds(a.RetryAfter)
		d.RetryAfterMS = &retry
	}
	limits := a.Limits()
	d.Limits = make([]Limit, len(limits))
	for i, l := range limits {
		d.Limits[i] = Limit{
			Name: l.Limit.Name(), Limit: l.Limit.String(), Remaining: l.Remaining, ResetAfterMS: milliseconds(l.ResetAfter),
		}
	}
	return d
}

// write appends the JSON of [NewDecision] to the answer, byte for byte, without making the one for the other: it is
// what nearly all calls are answered.
func (s *scratch) write(a *engine.Answer) {
	b := strconv.AppendBool(append(s.out, `{"allowed":`...), a.Allowed)
	b = appendText(append(b, `,"policy":`...), a.Policy)
	if utf8.ValidString(a.Key) {
		b = appendText(append(b, `,"key":`...), a.Key)
	} else {
		b = base64.StdEncoding.AppendEncode(append(b, `,"key_base64":"`...), []byte(a.Key))
		b = append(b, '"')
	}
	b = strconv.AppendInt(append(b, `,"cost":`...), a.Cost, 10)
	b = strconv.AppendInt(append(b, `,"remaining":`...), a.Remaining, 10)
	if a.RetryAfter != sluice.Never {
		b = strconv.AppendInt(append(b, `,"retry_after_ms":`...), milliseconds(a.RetryAfter), 10)
	} else {
		b = append(b, `,"retry_after_ms":null`...)
	}
	b = strconv.AppendInt(append(b, `,"reset_after_ms":`...), milliseconds(a.ResetAfter), 10)
	s.limits = a.AppendLimits(s.limits[:0])
	b = appendLimits(b, s.limits)
	b = appendText(append(b, `,"source":`...), a.Source.String())
	if block, barred := a.Blocked(); barred {
		b = instant(block.Until).AppendFormat(append(b, `,"blocked":{"until":"`...), time.RFC3339Nano)
		b = append(appendText(append(b, `","reason":`...), block.Reason), '}')
	}
	if a.ShadowDenied {
		b = append(b, `,"shadow_denied":true`...)
	}
	s.out = append(b, '}')
}

// appendLimits appends what the limits said, and which of them refused.
func appendLimits(b []byte, limits []sluice.LimitDecision) []byte {
	b = append(b, `,"limits":[`...)
	for i := range limits {
		l := &limits[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"name":`...), l.Limit.Name())
		b = l.Limit.AppendTo(append(b, `,"limit":"`...)) // it has nothing that JSON would escape
		b = strconv.AppendInt(append(b, `","remaining":`...), l.Remaining, 10)
		b = strconv.AppendInt(append(b, `,"reset_after_ms":`...), milliseconds(l.ResetAfter), 10)
		b = append(b, '}')
	}
	b = append(b, `],"denied_by":[`...)
	denied := false
	for i := range limits {
		if limits[i].Allowed {
			continue
		}
		if denied {
			b = append(b, ',')
		}
		b, denied = appendText(b, limits[i].Limit.Name()), true
	}
	return append(b, ']')
}

// appendText appends a text as JSON. What is no UTF-8, as the reason of a block can be that others have written, is
// replaced.
func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}

func newBlocked(b sluice.Block) *Blocked { return &Blocked{instant(b.Until), b.Reason} }

// spelled returns a key as a text where it is UTF-8, else as bytes.
func spelled(key string) (text string, bytes []byte) {
	if utf8.ValidString(key) {
		return key, nil
	}
	return "", []byte(key)
}

// lastInstant is the last one that RFC 3339 can spell.
var lastInstant = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

// instant returns an instant of the store's clock, no later than lastInstant.
func instant(at sluice.Tick) time.Time {
	return time.UnixMicro(min(int64(at), lastInstant.UnixMicro())).UTC()
}

// milliseconds returns a time of 0 to [sluice.MaxWait] in whole milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
