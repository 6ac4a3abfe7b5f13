package platformapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// ErrAddress says that a callback's address is not one that the house calls
// (docs/domain.md §1.9).
var ErrAddress = errors.New("platformapi: this address is not called")

// special are the blocks of IPv4 that are not the public internet, and those of
// IPv6 within 2000::/3 that are not, or that carry an IPv4 address inside
// (IANA special-purpose address registries, RFC 6890).
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // a cloud's metadata service on a public number
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

// global is the only part of IPv6 in use on the public internet; loopback,
// link-local, unique local, multicast, mapped, compatible and NAT64 (64:ff9b::/96,
// 64:ff9b:1::/48) forms all lie outside.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// public tells whether an address is on the public internet. An IPv4 address in
// IPv6 clothes is judged as the IPv4 address that it is.
func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

// Resolver finds the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// rules are the rules for addresses. The sandbox alone calls this machine.
type rules struct {
	sandbox  bool
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// local: the host names this machine.
func local(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// target joins the registered base and a transaction's path, and checks the
// outside of the address: https, a host, nobody's password. The path cannot leave
// the base's host, whatever it holds.
func (r rules) target(callbackBase, path string) (*url.URL, error) {
	b, err := url.Parse(callbackBase)
	if err != nil {
		return nil, fmt.Errorf("%w: the registered address cannot be read", ErrAddress)
	}
	u, err := url.Parse(strings.TrimSuffix(callbackBase, "/") + path)
	if err != nil {
		return nil, fmt.Errorf("%w: the path cannot be read", ErrAddress)
	}
	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && r.sandbox && local(u.Hostname())):
		return nil, fmt.Errorf("%w: not https", ErrAddress)
	case u.Host == "" || u.Host != b.Host || u.User != nil || u.Port() == "0":
		return nil, fmt.Errorf("%w: another host than the registered one", ErrAddress)
	case u.Fragment != "" || u.RawQuery != "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: more than a path", ErrAddress)
	}
	return u, nil
}

// connect resolves a host once, refuses it if any of its addresses is not public,
// and connects to one of these very addresses.
func (r rules) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	all, err := r.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: the host has no address", ErrAddress)
	}
	for _, a := range all {
		if !public(a) && !(r.sandbox && local(host) && a.Unmap().IsLoopback()) {
			return nil, fmt.Errorf("%w: not a public address", ErrAddress)
		}
	}
	for _, a := range all {
		var c net.Conn
		if c, err = r.dial(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (r rules) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return r.resolver.LookupNetIP(ctx, "ip", host)
}
