package envoyrls

import (
	"maps"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// dynamicMetadata returns what was asked, and the metadata of all rules that let it through.
func dynamicMetadata(req *pb.RateLimitRequest, questions []question, statuses []pb.RateLimitResponse_DescriptorStatus) *structpb.Struct {
	descriptors := make([]*structpb.Value, len(req.GetDescriptors()))
	for i, from := range req.GetDescriptors() {
		descriptors[i] = structpb.NewStructValue(describe(from))
	}
	fields := map[string]*structpb.Value{
		"domain":      structpb.NewStringValue(req.GetDomain()),
		"descriptors": structpb.NewListValue(&structpb.ListValue{Values: descriptors}),
	}
	if addend := req.GetHitsAddend(); addend != 0 {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(addend))
	}
	all := &structpb.Struct{}
	for i := range questions {
		if r := questions[i].rule; r != nil && !questions[i].unlimited && r.metadata != nil && statuses[i].Code == pb.RateLimitResponse_OK {
			all = merged(all, r.metadata)
		}
	}
	if len(all.GetFields()) > 0 {
		fields["metadata"] = structpb.NewStructValue(all)
	}
	return &structpb.Struct{Fields: fields}
}

// describe returns a descriptor as data.
func describe(from *common.RateLimitDescriptor) *structpb.Struct {
	entries := make([]*structpb.Value, len(from.GetEntries()))
	for i, e := range from.GetEntries() {
		entries[i] = structpb.NewStringValue(e.GetKey() + "=" + e.GetValue())
	}
	fields := map[string]*structpb.Value{"entries": structpb.NewListValue(&structpb.ListValue{Values: entries})}
	if limit := from.GetLimit(); limit != nil {
		fields["limit"] = structpb.NewStringValue(limit.String())
	}
	if addend := from.GetHitsAddend(); addend != nil {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(addend.GetValue()))
	}
	return &structpb.Struct{Fields: fields}
}

// merged returns what two structures say together: what is in both as structures is merged, of anything else the first
// counts. Neither is changed, because rules share theirs.
func merged(a, b *structpb.Struct) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(a.GetFields())+len(b.GetFields()))
	maps.Copy(fields, a.GetFields())
	for name, value := range b.GetFields() {
		first, there := fields[name]
		if !there {
			fields[name] = value
		} else if in, more := first.GetStructValue(), value.GetStructValue(); in != nil && more != nil {
			fields[name] = structpb.NewStructValue(merged(in, more))
		}
	}
	return &structpb.Struct{Fields: fields}
}
