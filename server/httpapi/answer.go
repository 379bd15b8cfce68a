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
	// ShadowDenied says that the limits refused, and the policy lets pass all the same.
	ShadowDenied bool `json:"shadow_denied,omitzero"`
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
	if utf8.ValidString(a.Key) {
		d.Key = a.Key
	} else {
		d.KeyBase64 = []byte(a.Key)
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

// milliseconds returns a time of 0 to [sluice.MaxWait] in whole milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
