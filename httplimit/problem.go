package httplimit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// The types of the problem of a refusal, as in draft-ietf-httpapi-ratelimit-headers-11.
const (
	// TypeQuotaExceeded is that of a refusal by limits.
	TypeQuotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	// TypeAbnormalUsage is that of a refusal by a block, of which the limits may have room.
	TypeAbnormalUsage = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
)

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
	// ViolatedPolicies are the names of the limits that refused, where the type is [TypeQuotaExceeded] or
	// [TypeAbnormalUsage]; of the latter there may be none.
	ViolatedPolicies []string `json:"violated-policies,omitempty"`
}

// Refusal returns the problem of a decision that is not allowed: 429 with the limits that refused, and the time to wait or
// that no time would do. It is of [TypeAbnormalUsage] where a block bars the key, and says until when and why, else of
// [TypeQuotaExceeded]. Where the source is [sluice.SourceErrorPolicy] it is 503, since no quota is known to be exceeded.
func Refusal(d sluice.Decision) Problem {
	if d.Source == sluice.SourceErrorPolicy {
		return statusProblem(http.StatusServiceUnavailable,
			"nobody can say now whether this request is within its limits, and it may not pass without that: try again later")
	}
	p := Problem{
		Type:             TypeQuotaExceeded,
		Title:            "Request cannot be satisfied as assigned quota has been exceeded",
		Status:           http.StatusTooManyRequests,
		Detail:           shortage(d),
		ViolatedPolicies: d.DeniedBy(),
	}
	if b, barred := d.Blocked(); barred {
		p.Type = TypeAbnormalUsage
		p.Title = "Request not satisfied due to detection of abnormal request pattern"
		p.Detail = blocked(b, d)
	}
	return p
}

// shortage says which limits have no room, and what to do.
func shortage(d sluice.Decision) string {
	if d.RetryAfter != sluice.Never {
		return fmt.Sprintf("no room for a cost of %d%s: try again in %d s", d.Cost, under(d.DeniedBy()), retryAfter(d))
	}
	var tooSmall []string
	for _, l := range d.Limits() {
		if l.RetryAfter == sluice.Never {
			tooSmall = append(tooSmall, fmt.Sprintf("%s holds %d", l.Limit.Name(), l.Limit.Capacity()))
		}
	}
	return fmt.Sprintf("a cost of %d can never fit (%s): ask for less at once", d.Cost, strings.Join(tooSmall, ", "))
}

// blocked says until when a block lasts and why, and what to do.
func blocked(b sluice.Block, d sluice.Decision) string {
	text := "blocked until " + time.UnixMicro(int64(b.Until)).UTC().Format(time.RFC3339Nano)
	if b.Reason != "" {
		text += " (" + b.Reason + ")"
	}
	if d.RetryAfter == sluice.Never {
		return text + "; and " + shortage(d)
	}
	return fmt.Sprintf("%s: try again in %d s", text, retryAfter(d))
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
