package grpclimit

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
)

// Metadata returns what a decision says as response metadata: ratelimit-policy, ratelimit and, of a refusal, retry-after,
// with the values that [httplimit.AddHeaders] gives the header fields of these names. It is nil where there is nothing to
// say.
func Metadata(d sluice.Decision) metadata.MD {
	fields := make(http.Header, 3)
	httplimit.AddHeaders(fields, d)
	if len(fields) == 0 {
		return nil
	}
	md := make(metadata.MD, len(fields))
	for name, values := range fields {
		md[strings.ToLower(name)] = values
	}
	return md
}

// Refusal returns the status of a decision that is not allowed, with the words of [httplimit.Refusal]: RESOURCE_EXHAUSTED,
// or UNAVAILABLE where the source is [sluice.SourceErrorPolicy], since no quota is known to be exceeded.
//
// RESOURCE_EXHAUSTED has the detail QuotaFailure with a violation for each limit that refused, whose subject is "limit:"
// and the limit's name, whose quota_id is that name and whose quota_value is what the limit holds; and one with the subject
// "block" where a block bars the key. It has the detail RetryInfo with the exact time to wait, except where the cost can
// never fit: then there is none to give.
func Refusal(d sluice.Decision) *status.Status {
	detail := httplimit.Refusal(d).Detail
	if d.Source == sluice.SourceErrorPolicy {
		return status.New(codes.Unavailable, detail)
	}
	quota := &errdetails.QuotaFailure{}
	if _, barred := d.Blocked(); barred {
		quota.Violations = append(quota.Violations, &errdetails.QuotaFailure_Violation{Subject: "block", Description: detail})
	}
	for _, l := range d.Limits() {
		if l.Allowed {
			continue
		}
		quota.Violations = append(quota.Violations, &errdetails.QuotaFailure_Violation{
			Subject:     "limit:" + l.Limit.Name(),
			Description: fmt.Sprintf("%s has no room for a cost of %d: %d remaining", l.Limit, d.Cost, l.Remaining),
			QuotaId:     l.Limit.Name(),
			QuotaValue:  l.Limit.Capacity(),
		})
	}
	details := []protoadapt.MessageV1{quota}
	if d.RetryAfter != sluice.Never {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter)})
	}
	s, err := status.New(codes.ResourceExhausted, detail).WithDetails(details...)
	if err != nil { // it cannot be: numbers and UTF-8 have a wire form
		return status.New(codes.ResourceExhausted, detail)
	}
	return s
}
