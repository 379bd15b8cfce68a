package envoyrls_test

import (
	"fmt"
	"strings"
	"testing"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/envoyrls"
	"github.com/sluice-project/sluice/server/envoyrls/config"
	"github.com/sluice-project/sluice/store/memstore"
)

// asker is a door with an embedded store, and who asks it.
type asker struct {
	t    *testing.T
	door *envoyrls.Door
}

func newDoor(t *testing.T, options envoyrls.Options, files ...string) *asker {
	t.Helper()
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return newDoorOf(t, store, options, files...)
}

func newDoorOf(t *testing.T, store sluice.Store, options envoyrls.Options, files ...string) *asker {
	t.Helper()
	a := &asker{t, envoyrls.New(engine.New(store, engine.Config{}), options, envoyrls.Config{})}
	a.apply(files...)
	return a
}

// apply puts files in force.
func (a *asker) apply(contents ...string) {
	a.t.Helper()
	if len(contents) == 0 {
		return
	}
	files := make([]config.File, len(contents))
	for i, content := range contents {
		files[i] = config.File{Name: fmt.Sprintf("%d.yaml", i), Data: []byte(content)}
	}
	c, err := config.Parse(files, config.Options{})
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.door.Apply(c); err != nil {
		a.t.Fatal(err)
	}
}

// descriptor reads entries, such as "a=b c=d", and behind them "+3" for an addend, "-3" for a negative one, "-" for hits that
// are negative, however many the request says, and "!3/MINUTE" for a limit.
func descriptor(text string) *common.RateLimitDescriptor {
	d := &common.RateLimitDescriptor{}
	for word := range strings.FieldsSeq(text) {
		if addend, ok := strings.CutPrefix(word, "+"); ok {
			n := uint64(0)
			fmt.Sscan(addend, &n)
			d.HitsAddend = wrapperspb.UInt64(n)
			continue
		}
		if addend, ok := strings.CutPrefix(word, "-"); ok {
			d.IsNegativeHits = true
			if addend != "" {
				n := uint64(0)
				fmt.Sscan(addend, &n)
				d.HitsAddend = wrapperspb.UInt64(n)
			}
			continue
		}
		if limit, ok := strings.CutPrefix(word, "!"); ok {
			count, unit, _ := strings.Cut(limit, "/")
			d.Limit = &common.RateLimitDescriptor_RateLimitOverride{Unit: typev3.RateLimitUnit(typev3.RateLimitUnit_value[unit])}
			fmt.Sscan(count, &d.Limit.RequestsPerUnit)
			continue
		}
		key, value, _ := strings.Cut(word, "=")
		d.Entries = append(d.Entries, &common.RateLimitDescriptor_Entry{Key: key, Value: value})
	}
	return d
}

func request(domain string, descriptors ...string) *pb.RateLimitRequest {
	req := &pb.RateLimitRequest{Domain: domain}
	for _, text := range descriptors {
		req.Descriptors = append(req.Descriptors, descriptor(text))
	}
	return req
}

// say returns an answer as text: the overall code, and of each descriptor its code, limit, what remains, and the reset.
func say(r *pb.RateLimitResponse) string {
	var b strings.Builder
	b.WriteString(r.GetOverallCode().String())
	for i, s := range r.GetStatuses() {
		b.WriteString([]string{": ", ", "}[min(i, 1)] + s.GetCode().String())
		if l := s.GetCurrentLimit(); l != nil {
			fmt.Fprintf(&b, " %s%d/%s", l.GetName(), l.GetRequestsPerUnit(), l.GetUnit())
		}
		if s.GetCurrentLimit() != nil || s.GetLimitRemaining() > 0 {
			fmt.Fprintf(&b, " %d left", s.GetLimitRemaining())
		}
		if d := s.GetDurationUntilReset(); d != nil {
			fmt.Fprintf(&b, " %s", d.AsDuration())
		}
	}
	return b.String()
}

// ask wants an answer to a request of the domain "d".
func (a *asker) ask(want string, descriptors ...string) {
	a.t.Helper()
	a.send(want, request("d", descriptors...))
}

func (a *asker) send(want string, req *pb.RateLimitRequest) {
	a.t.Helper()
	response, err := a.door.ShouldRateLimit(a.t.Context(), req)
	got := ""
	if err != nil {
		got = fmt.Sprintf("%s: %s", status.Code(err), status.Convert(err).Message())
	} else {
		got = say(response)
	}
	if got != want {
		a.t.Errorf("%v is answered\n%s, want\n%s", req, got, want)
	}
}
