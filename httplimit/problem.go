package httplimit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-project/sluice"
)

// TypeQuotaExceeded is the type of the problem of a refusal, as in draft-ietf-httpapi-ratelimit-headers-11.
const TypeQuotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// Problem is a response that says in JSON why a request was not served, as in RFC 9457.
type Problem struct {
	// Type is a URI that names the kind of problem; "about:blank" where the status says all.
	Type string `json:"type"`
	// Title is the kind of problem in words.
	Title string `json:"title"`
	// Status is the status code of the response.
	Status int `json:"status"`
	// Detail says what was wrong with this request and what would be right.
	Detail string `json:"detail"`
	// ViolatedPolicies are the names of the limits that refused, where the type is [TypeQuotaExceeded].
	ViolatedPolicies []string `json:"violated-policies,omitempty"`
}

// Refusal returns the problem of a decision that is not allowed: 429 of [TypeQuotaExceeded] with the limits that refused,
// and the time to wait or that no time would do; or 503 where the source is [sluice.SourceErrorPolicy], since no quota is
// known to be exceeded.
func Refusal(d sluice.Decision) Problem {
	if d.Source == sluice.SourceErrorPolicy {
		return statusProblem(http.StatusServiceUnavailable,
			"nobody can say now whether this request is within its limits, and it may not pass without that: try again later")
	}
	p := Problem{
		Type:             TypeQuotaExceeded,
		Title:            "Request cannot be satisfied as assigned quota has been exceeded",
		Status:           http.StatusTooManyRequests,
		ViolatedPolicies: d.DeniedBy(),
	}
	if d.RetryAfter != sluice.Never {
		p.Detail = fmt.Sprintf("no room for a cost of %d%s: try again in %d s", d.Cost, under(p.ViolatedPolicies), retryAfter(d))
		return p
	}
	var tooSmall []string
	for _, l := range d.Limits() {
		if l.RetryAfter == sluice.Never {
			tooSmall = append(tooSmall, fmt.Sprintf("%s holds %d", l.Limit.Name(), l.Limit.Capacity()))
		}
	}
	p.Detail = fmt.Sprintf("a cost of %d can never fit (%s): ask for less at once", d.Cost, strings.Join(tooSmall, ", "))
	return p
}

func under(limits []string) string {
	if len(limits) == 0 {
		return ""
	}
	return " under " + strings.Join(limits, ", ")
}

// statusProblem returns a problem of which the status says what kind it is.
func statusProblem(status int, detail string) Problem {
	return Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// Write sends the problem as the whole response, with its status. Header fields that were set before are sent too.
func (p Problem) Write(w http.ResponseWriter) {
	body, _ := json.Marshal(p) // strings and numbers always have a JSON form
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}
