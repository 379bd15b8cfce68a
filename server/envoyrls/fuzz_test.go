package envoyrls_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/envoyrls"
	"github.com/sluice-project/sluice/server/envoyrls/config"
	"github.com/sluice-project/sluice/store/memstore"
)

// FuzzDoor sends any bytes as a request of Envoy, as JSON and in the form of gRPC. It is answered or refused.
func FuzzDoor(f *testing.F) {
	store, err := memstore.New(memstore.Config{MaxKeys: 1000})
	if err != nil {
		f.Fatal(err)
	}
	door := envoyrls.New(engine.New(store, engine.Config{}), envoyrls.Options{DynamicMetadata: true}, envoyrls.Config{})
	c, err := config.Parse([]config.File{{Name: "d.yaml", Data: []byte(
		"domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: minute, requests_per_unit: 3}\n- key: b\n  value: x*\n  rate_limit: {unit: day, requests_per_unit: 1}\n",
	)}}, config.Options{})
	if err == nil {
		err = door.Apply(c)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`{"domain":"d","descriptors":[{"entries":[{"key":"a","value":"1"}]}]}`, `{"domain":"d","hitsAddend":4294967295,"descriptors":[{"entries":[{"key":"b","value":"xy"}],
		"limit":{"requestsPerUnit":7,"unit":"HOUR"},"hitsAddend":"18446744073709551615"}]}`, `{"domain":"","descriptors":[]}`, `{"descriptors":[{}]}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	for _, r := range []*pb.RateLimitRequest{request("d", "a=1", "b=xy +3 !5/MINUTE"), request("", "")} {
		seed, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		door.JSON(w, httptest.NewRequest("POST", "/json", strings.NewReader(string(body))))
		if !slices.Contains([]int{200, 429, 400, 413}, w.Code) {
			t.Errorf("%q is answered by the status %d: %s", body, w.Code, w.Body)
		}
		var r pb.RateLimitRequest
		if proto.Unmarshal(body, &r) != nil {
			return
		}
		if answer, err := door.ShouldRateLimit(t.Context(), &r); err == nil && len(answer.GetStatuses()) != len(r.GetDescriptors()) {
			t.Errorf("%d descriptors are answered by %d statuses", len(r.GetDescriptors()), len(answer.GetStatuses()))
		}
	})
}
