package httpapi

import (
	"time"
	"unicode/utf8"

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
