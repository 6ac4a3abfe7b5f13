package platformapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34": true, "8.8.8.8": true, "::ffff:8.8.8.8": true, "2400:3200::1": true, "2606:4700:4700::1111": true,
		// private, loopback, this network, link-local, CGNAT
		"10.0.0.1": false, "10.255.255.255": false, "172.16.0.1": false, "172.31.255.255": false, "172.32.0.1": true, "192.168.1.1": false,
		"127.0.0.1": false, "127.8.8.8": false, "0.0.0.0": false, "0.1.2.3": false, "169.254.0.1": false, "100.64.0.1": false, "100.127.255.255": false, "100.128.0.1": true,
		// metadata
		"169.254.169.254": false, "100.100.100.200": false, "168.63.129.16": false, "fd00:ec2::254": false,
		// multicast, reserved, broadcast, documentation, benchmarks
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "198.18.0.1": false, "192.0.0.192": false,
		// IPv6
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "2400:3200::1%eth0": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "fec0::1": false,
		"2001:db8::1": false, "3fff::1": false, "100::1": false, "2001::1": false, "5f00::1": false,
		// IPv4 inside IPv6: mapped, compatible, 6to4, NAT64 with both prefixes
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "::8.8.8.8": false,
		"2002:7f00:1::": false, "2002:808:808::1": false, "64:ff9b::7f00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::a00:1": false,
	} {
		a, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := public(a); got != want {
			t.Errorf("public(%s) = %v", address, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestCallbackStaysOnTheRegisteredHost(t *testing.T) {
	for _, c := range []struct {
		base, path string
		sandbox    bool
		want       string
	}{
		{"https://bid.example/cb", "/done", false, "https://bid.example/cb/done"},
		{"https://bid.example/", "/done", false, "https://bid.example/done"},
		{"https://bid.example:8443", "/a/b", false, "https://bid.example:8443/a/b"},
		{"http://bid.example", "/done", false, ""},
		{"http://bid.example", "/done", true, ""}, // http only to this machine
		{"http://localhost:9000", "/done", false, ""},
		{"http://localhost:9000", "/done", true, "http://localhost:9000/done"},
		{"http://127.0.0.1:9000", "/done", true, "http://127.0.0.1:9000/done"},
		{"http://[::1]:9000", "/done", true, "http://[::1]:9000/done"},
		{"https://bid.example", "@evil.example/", false, ""},
		{"https://bid.example", ".evil.example/", false, ""},
		{"https://bid.example", ":9000/", false, ""},
		{"https://user@bid.example", "/done", false, ""},
		{"https://bid.example", "/done?x=1", false, ""},
		{"https://bid.example", "/done#x", false, ""},
		{"https://bid.example:0", "/done", false, ""},
		{"ftp://bid.example", "/done", false, ""},
		{"", "/done", false, ""},
		{"https://", "/done", false, ""},
		{"https://bid.example/%zz", "/done", false, ""},
	} {
		u, err := rules{sandbox: c.sandbox}.target(c.base, c.path)
		switch {
		case c.want == "" && !errors.Is(err, ErrAddress):
			t.Errorf("%s + %s: %v, %v", c.base, c.path, u, err)
		case c.want != "" && (err != nil || u.String() != c.want):
			t.Errorf("%s + %s = %v, %v", c.base, c.path, u, err)
		}
	}
}

// names is a resolver that counts.
type names struct {
	all   map[string][]string
	asked int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) (out []netip.Addr, err error) {
	n.asked++
	for _, s := range n.all[host] {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

func TestHostIsResolvedOnceAndThatAddressIsDialled(t *testing.T) {
	dns := &names{all: map[string][]string{
		"good.example": {"93.184.216.34", "2400:3200::1"}, "inside.example": {"10.0.0.1"}, "mixed.example": {"93.184.216.34", "127.0.0.1"},
		"mapped.example": {"::ffff:127.0.0.1"}, "nobody.example": nil, "localhost": {"127.0.0.1"},
	}}
	for _, c := range []struct {
		host    string
		sandbox bool
		dialled []string
		looked  int
	}{
		{"good.example", false, []string{"93.184.216.34:443", "[2400:3200::1]:443"}, 1},
		{"93.184.216.34", false, []string{"93.184.216.34:443"}, 0},
		{"inside.example", false, nil, 1},
		{"mixed.example", false, nil, 1},
		{"mapped.example", false, nil, 1},
		{"nobody.example", false, nil, 1},
		{"127.0.0.1", false, nil, 0},
		{"::1", false, nil, 0},
		{"169.254.169.254", true, nil, 0},
		{"localhost", false, nil, 1},
		{"localhost", true, []string{"127.0.0.1:443"}, 1},
		{"127.0.0.1", true, []string{"127.0.0.1:443"}, 0},
		{"inside.example", true, nil, 1},
		{"mapped.example", true, nil, 1}, // a name of somebody else's that points here
	} {
		var dialled []string
		r := rules{sandbox: c.sandbox, resolver: dns, dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errors.New("closed") // so that the next one is tried
		}}
		dns.asked = 0
		_, err := r.connect(t.Context(), "tcp", net.JoinHostPort(c.host, "443"))
		if errors.Is(err, ErrAddress) != (c.dialled == nil) || len(dialled) != len(c.dialled) || dns.asked != c.looked {
			t.Errorf("%s (sandbox %v): dialled %v after %d look-ups, %v", c.host, c.sandbox, dialled, dns.asked, err)
			continue
		}
		for i := range dialled {
			if dialled[i] != c.dialled[i] {
				t.Errorf("%s: dialled %v", c.host, dialled)
			}
		}
	}
}
