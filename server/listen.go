package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/access"
	"github.com/sluice-project/sluice/server/httpapi"
)

// door is an address that is listened on, and what is served there.
type door struct {
	setting string // the path of the setting that gives the address
	net     net.Listener
	serves  httpapi.Address
	certs   *certificates // nil where it has no TLS
}

// place is an address as it is configured, resolved.
type place struct {
	setting string
	addr    *net.TCPAddr
	serves  httpapi.Address
}

// places resolves the addresses of the configuration, and refuses those where strangers would be administrators: an address
// that can be reached from other machines needs tokens or, where there is nothing but administration, client certificates.
func places(settings *filesource.File) ([]place, error) {
	listen, tokens := settings.Listen, settings.Admin.TokensFile != ""
	http, err := resolve("listen.http", listen.HTTP)
	if err != nil {
		return nil, err
	}
	http.serves.Checks = true
	if listen.HTTPTLS.ClientCAFile != "" {
		http.serves.Certified = access.Check
	}
	if listen.Admin == "" {
		http.serves.Admin = true
		if listen.AdminTLS != (filesource.TLS{}) {
			return nil, errors.New("listen.admin_tls: it goes with listen.admin, the address of administration: without that, listen.http_tls is for both")
		}
		if !http.serves.Loopback && !tokens {
			return nil, fmt.Errorf("listen.http: %s can be reached from other machines, and administration would be open to whoever reaches it: "+
				"give it tokens, by admin.tokens_file, serve administration apart, as in listen.admin: 127.0.0.1:8082, or listen on a "+
				"loopback address, as in listen.http: 127.0.0.1:8080", listen.HTTP)
		}
		return []place{http}, nil
	}
	admin, err := resolve("listen.admin", listen.Admin)
	if err != nil {
		return nil, err
	}
	admin.serves.Admin = true
	if listen.AdminTLS.ClientCAFile != "" {
		admin.serves.Certified = access.Admin
	}
	if !admin.serves.Loopback && !tokens && admin.serves.Certified != access.Admin {
		return nil, fmt.Errorf("listen.admin: %s can be reached from other machines, and administration would be open to whoever reaches it: "+
			"give it tokens, by admin.tokens_file, want certificates of its clients, by listen.admin_tls.client_ca_file, or make it a "+
			"loopback address, as in 127.0.0.1:8082", listen.Admin)
	}
	if http.covers(admin) {
		return nil, fmt.Errorf("listen.admin: %s is that of listen.http, %s: leave listen.admin out to serve both there, where that is a "+
			"loopback address, or give it another port, as in 127.0.0.1:8082", listen.Admin, listen.HTTP)
	}
	return []place{http, admin}, nil
}

// validateAccess reports what is wrong with who may do what, as far as it can be known without the tokens.
func validateAccess(settings *filesource.File) error {
	if settings.Admin.ChecksRequireToken && settings.Admin.TokensFile == "" {
		return errors.New("admin.checks_require_token: it goes with admin.tokens_file, which says which tokens there are")
	}
	return nil
}

// covers reports whether who listens at p takes the address of another place, too.
func (p place) covers(other place) bool {
	every := len(p.addr.IP) == 0 || p.addr.IP.IsUnspecified()
	return p.addr.Port != 0 && p.addr.Port == other.addr.Port && (every || p.addr.IP.Equal(other.addr.IP))
}

func resolve(setting, address string) (place, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w; it must be HOST:PORT of this machine, as in 127.0.0.1:8080", setting, err)
	}
	return place{setting, addr, httpapi.Address{Loopback: addr.IP.IsLoopback()}}, nil
}

// open listens at all places, or at none.
func open(places []place, listen filesource.Listen) (doors []door, err error) {
	for _, p := range places {
		setting, files := "listen.http_tls", listen.HTTPTLS
		if p.setting == "listen.admin" {
			setting, files = "listen.admin_tls", listen.AdminTLS
		}
		certs, err := readCertificates(setting, files)
		if err != nil {
			closeAll(doors)
			return nil, err
		}
		l, err := net.ListenTCP("tcp", p.addr)
		if err != nil {
			closeAll(doors)
			return nil, fmt.Errorf("%s: %w; give it another address or stop what listens there", p.setting, err)
		}
		doors = append(doors, door{p.setting, limitConnections(l, listen.MaxConnections), p.serves, certs})
	}
	return doors, nil
}

// serve answers by a server until it is shut down.
func (d door) serve(server *http.Server) error {
	if d.certs != nil {
		return server.ServeTLS(d.net, "", "")
	}
	return server.Serve(d.net)
}

// closeAll stops listening at doors to which nobody has connected yet.
func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.net.Close()
	}
}
