package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// own are the addresses that belong to nobody on the Internet: a root that may
// speak for these alone cannot speak for a bank (RFC 1918, 3927, 4193, 4291,
// 5737, 6598, 2544).
var own = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// Own tells whether an address is one of a local network or of this machine.
func Own(a netip.Addr) bool {
	for _, p := range own {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// ErrAddress says that there is no address to serve a local network on.
var ErrAddress = errors.New("lan: no address of a local network")

// Address is the address by which this machine reaches the world, and by which
// its neighbours reach it. Nothing is sent to find it.
func Address() (netip.Addr, error) {
	c, err := net.Dial("udp4", "192.0.2.1:9") // a documentation address
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: this machine has no network: name an address with TWT_LAN (%w)", ErrAddress, err)
	}
	defer c.Close()
	a, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if !Own(a.Addr()) {
		return netip.Addr{}, fmt.Errorf("%w: %s is on the Internet: name an address of your own network with TWT_LAN", ErrAddress, a.Addr())
	}
	return a.Addr(), nil
}
