package server

import (
	"net"
	"strings"
	"testing"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/httpapi"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	all := httpapi.Address{Checks: true, Admin: true, Loopback: true}
	admin := httpapi.Address{Admin: true, Loopback: true}
	for _, test := range []struct {
		http, admin string
		want        []httpapi.Address // in place of which the error has the parts
		parts       []string
	}{
		{"127.0.0.1:0", "", []httpapi.Address{all}, nil},
		{"[::1]:0", "", []httpapi.Address{all}, nil},
		{"127.0.0.1:0", "127.0.0.1:1", []httpapi.Address{{Checks: true, Loopback: true}, admin}, nil},
		{"0.0.0.0:0", "127.0.0.1:1", []httpapi.Address{{Checks: true}, admin}, nil},
		{":0", "[::1]:1", []httpapi.Address{{Checks: true}, admin}, nil},
		{"192.0.2.1:0", "127.0.0.1:1", []httpapi.Address{{Checks: true}, admin}, nil},
		{"0.0.0.0:8080", "", nil, []string{"listen.http: 0.0.0.0:8080", "listen.admin: 127.0.0.1:8082"}},
		{":8080", "", nil, []string{"listen.http: :8080", "other machines"}},
		{"[::]:8080", "", nil, []string{"listen.http: [::]:8080"}},
		{"192.0.2.1:8080", "", nil, []string{"listen.http: 192.0.2.1:8080"}},
		{"127.0.0.1:0", "0.0.0.0:8082", nil, []string{"listen.admin: 0.0.0.0:8082", "make it a loopback address"}},
		{"127.0.0.1:8080", "127.0.0.1:8080", nil, []string{"listen.admin: ", "is that of listen.http", "leave listen.admin out"}},
		{":8080", "127.0.0.1:8080", nil, []string{"listen.admin: ", "is that of listen.http", "another port"}},
		{"127.0.0.1:x", "", nil, []string{"listen.http: ", "HOST:PORT"}},
	} {
		got, err := places(&filesource.File{Listen: filesource.Listen{HTTP: test.http, Admin: test.admin}})
		if test.parts != nil {
			for _, part := range test.parts {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("http %q, admin %q: error %v, want one with %q", test.http, test.admin, err, part)
				}
			}
			continue
		}
		if err != nil || len(got) != len(test.want) {
			t.Errorf("http %q, admin %q: %v, %v; want %v", test.http, test.admin, got, err, test.want)
			continue
		}
		for i, p := range got {
			if p.serves != test.want[i] {
				t.Errorf("http %q, admin %q: place %d serves %+v, want %+v", test.http, test.admin, i, p.serves, test.want[i])
			}
		}
	}
}

func TestOpenAllOrNone(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listen := filesource.Listen{HTTP: "127.0.0.1:0", Admin: taken.Addr().String()}
	wanted, err := places(&filesource.File{Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(wanted, listen); err == nil || !strings.Contains(err.Error(), "listen.admin: ") {
		t.Errorf("open of an address that is taken: %v, want an error that names listen.admin", err)
	}
}
