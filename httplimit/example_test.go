package httplimit_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
	"github.com/sluice-project/sluice/store/memstore"
)

// Clients are limited by their addresses, behind a load balancer in 10.0.0.0/8.
func Example() {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	api, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(1)}})
	if err != nil {
		log.Fatal(err)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })

	mux := http.NewServeMux()
	mux.Handle("/", httplimit.New(api, httplimit.Config{Key: httplimit.ByIP(trusted...), OnError: sluice.Allow})(next))

	for range 2 {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.1.2.3:50000"
		r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.1") // the left one is what the client wrote
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("RateLimit"))
		fmt.Print(w.Body)
	}
	// Output:
	// 200 "hour";r=0;t=3600
	// hello
	// 429 "hour";r=0;t=3600
	// {"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"detail":"no room for a cost of 1 under hour: try again in 3600 s","violated-policies":["hour"]}
}

// A limit for each tenant and method.
func ExampleJoin() {
	tenant := httplimit.KeyFunc(func(r *http.Request) (string, error) {
		if tenant := r.URL.Query().Get("tenant"); tenant != "" {
			return tenant, nil
		}
		return "", &httplimit.MissingError{What: "tenant"}
	})
	key := httplimit.Join(tenant, httplimit.ByMethod())

	fmt.Println(key(httptest.NewRequest("GET", "/?tenant=t1", nil)))
	fmt.Println(key(httptest.NewRequest("GET", "/?tenant=t1|GET", nil)))
	_, err := key(httptest.NewRequest("GET", "/", nil))
	fmt.Println(err)
	// Output:
	// t1|GET <nil>
	// t1\|GET|GET <nil>
	// the request has no tenant, which says who is limited
}

func ExampleClientAddr() {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.1.2.3:50000"
	r.Header.Add("X-Forwarded-For", "10.9.9.9, 198.51.100.1") // 10.9.9.9 is forged
	r.Header.Add("X-Forwarded-For", "10.4.5.6")               // a second proxy
	fmt.Println(httplimit.ClientAddr(r, trusted))
	// Output: 198.51.100.1
}

func ExampleAddHeaders() {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	api, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{
		sluice.PerSecond(10).WithBurst(20), sluice.PerDay(10_000),
	}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/export", func(w http.ResponseWriter, r *http.Request) {
		d, err := api.Check(r.Context(), "exports", 5)
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		httplimit.AddHeaders(w.Header(), d)
		if !d.Allowed {
			httplimit.Refusal(d).Write(w)
			return
		}
		fmt.Fprintln(w, "exported")
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/export", nil))
	fmt.Println(w.Header().Get("RateLimit-Policy"))
	fmt.Println(w.Header().Get("RateLimit"))
	// Output:
	// "second";q=10;w=1;sluice-burst=20, "day";q=10000;w=86400
	// "second";r=15;t=2, "day";r=9995;t=86400
}
