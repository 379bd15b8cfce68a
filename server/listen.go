package server

import (
	"fmt"
	"net"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/httpapi"
)

// door is an address that is listened on, and what is served there.
type door struct {
	setting string // the path of the setting that gives the address
	net     net.Listener
	serves  httpapi.Address
}

// place is an address as it is configured, resolved.
type place struct {
	setting string
	addr    *net.TCPAddr
	serves  httpapi.Address
}

// places resolves the addresses of the configuration, and refuses those where strangers would be administrators.
func places(listen filesource.Listen) ([]place, error) {
	http, err := resolve("listen.http", listen.HTTP)
	if err != nil {
		return nil, err
	}
	http.serves.Checks = true
	if listen.Admin == "" {
		http.serves.Admin = true
		if !http.serves.Loopback {
			return nil, fmt.Errorf("listen.http: %s can be reached from other machines, and administration is open to whoever reaches it, "+
				"because this version has no tokens: serve administration apart, as in listen.admin: 127.0.0.1:8082, or listen on a "+
				"loopback address, as in listen.http: 127.0.0.1:8080", listen.HTTP)
		}
		return []place{http}, nil
	}
	admin, err := resolve("listen.admin", listen.Admin)
	if err != nil {
		return nil, err
	}
	admin.serves.Admin = true
	if !admin.serves.Loopback {
		return nil, fmt.Errorf("listen.admin: %s can be reached from other machines, and administration is open to whoever reaches it, "+
			"because this version has no tokens: it must be a loopback address, as in 127.0.0.1:8082", listen.Admin)
	}
	if http.covers(admin) {
		return nil, fmt.Errorf("listen.admin: %s is that of listen.http, %s: leave listen.admin out to serve both there, where that is a "+
			"loopback address, or give it another port, as in 127.0.0.1:8082", listen.Admin, listen.HTTP)
	}
	return []place{http, admin}, nil
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
func open(places []place) (doors []door, err error) {
	for _, p := range places {
		l, err := net.ListenTCP("tcp", p.addr)
		if err != nil {
			closeAll(doors)
			return nil, fmt.Errorf("%s: %w; give it another address or stop what listens there", p.setting, err)
		}
		doors = append(doors, door{p.setting, l, p.serves})
	}
	return doors, nil
}

// closeAll stops listening at doors to which nobody has connected yet.
func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.net.Close()
	}
}
