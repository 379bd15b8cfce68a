package envoyrls_test

import (
	"testing"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/server/envoyrls"
	"github.com/sluice-project/sluice/server/envoyrls/config"
	"github.com/sluice-project/sluice/store/memstore"
)

// BenchmarkShouldRateLimit answers a request with one descriptor, on the embedded store.
func BenchmarkShouldRateLimit(b *testing.B) {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		b.Fatal(err)
	}
	c, err := config.Parse([]config.File{{Name: "f", Data: []byte(file("{key: k, rate_limit: {unit: minute, requests_per_unit: 4294967295}}"))}}, config.Options{})
	if err != nil {
		b.Fatal(err)
	}
	door := envoyrls.New(engine.New(store, engine.Config{}), envoyrls.Options{}, envoyrls.Config{})
	if err := door.Apply(c); err != nil {
		b.Fatal(err)
	}
	req := request("d", "k=a")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := door.ShouldRateLimit(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
