package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"

	"tianweitong/internal/account"
	"tianweitong/internal/audit"
	"tianweitong/internal/ca"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/check"
	"tianweitong/internal/flow/closing"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/flow/purchase"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/rephone"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/flow/safety"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/job"
	"tianweitong/internal/kmc"
	"tianweitong/internal/lan"
	"tianweitong/internal/notice"
	"tianweitong/internal/office"
	"tianweitong/internal/order"
	"tianweitong/internal/pkihttp"
	"tianweitong/internal/platformapi"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/provider/issuer"
	"tianweitong/internal/provider/pay"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/provider/sms"
	"tianweitong/internal/push"
	"tianweitong/internal/puzzle"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/scan"
	"tianweitong/internal/secret"
	"tianweitong/internal/store/people"
	"tianweitong/internal/usage"
	"tianweitong/pki"
)

// house holds every room after wiring.
type house struct {
	peopleRooms
	arc          pki.Arc
	custody      *custody.Module
	ca           *ca.Service
	centre       kmc.Door
	accounts     *account.Service
	puzzles      *puzzle.Service
	realname     *realname.Service
	catalog      *catalog.Service
	notices      *notice.Service
	orders       *order.Service
	certificates *certificate.Service
	roamings     *roaming.Service
	usage        *usage.Service
	scans        *scan.Service
	rephone      *rephone.Service
	safety       *safety.Service
	closing      *closing.Service
	purchase     *purchase.Service
	pin          *pin.Service
	install      *install.Service
	recover      *recover.Service
	revoke       *revoke.Service
	check        *check.Service
	hub          *push.Hub
	callbacks    *platformapi.Callbacks
	platforms    *platformapi.Server
	phones       *app.Server
	gateways     map[string]order.Gateway
	counter      *pay.Counter
	journal      *sandbox.Journal // nil outside the sandbox
	officers     *office.Service
	desk         *console.Server
}

func (h *house) close() {
	if h.journal != nil {
		h.journal.Close()
	}
	if h.callbacks != nil {
		h.callbacks.Close()
	}
	if h.officers != nil {
		h.officers.Close()
	}
}

// agreements are the documents that everybody accepts at the first login, in
// their current versions.
func agreements() []account.Agreement {
	return []account.Agreement{
		{Document: "user", Version: "2026-11", Title: "天威通用户协议"},
		{Document: "privacy", Version: "2026-11", Title: "天威通隐私政策"},
	}
}

// wire builds every room, in the order of the floors.
func (a *App) wire(ctx context.Context) error {
	arc, err := pki.ParseArc(a.cfg.Arc)
	if err != nil {
		return err
	}
	a.house = &house{arc: arc, hub: push.NewHub(4096)}
	if a.cfg.Mode == config.Sandbox {
		a.house.journal = sandbox.NewJournal(a.Clock)
	}
	a.jobs = job.New(a.store, a.Clock, a.Rand, a.Log)
	a.jobs.Observe = a.metrics.job
	a.jobs.Workers = 8
	if a.cfg.LAN != "" && !a.shut {
		// Phones have the world's time, whatever the sandbox's clock shows.
		if a.root, err = lan.Open(filepath.Join(a.cfg.Data, "keys"), clock.System{}); err != nil {
			return err
		}
	}
	if err := a.reserveDoors(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{a.wireKeys, a.wireNouns, a.wireScans, a.wireFlows, a.wireConsole, a.wireDoors, a.start} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// box makes a sealing box under a key file of its own.
func (a *App) box(name string) (*secret.Box, error) {
	key, err := keyFile(a.cfg, a.Rand, name)
	if err != nil {
		return nil, err
	}
	return secret.NewBox(key, a.Rand)
}

// wireKeys builds custody, the key-management centre and the authority.
func (a *App) wireKeys(ctx context.Context) error {
	h := a.house
	vault, err := a.box("custody")
	if err != nil {
		return err
	}
	escrow, err := a.box("kmc")
	if err != nil {
		return err
	}
	h.custody = custody.New(custody.Deps{
		Runner: a.store, Store: a.store.Custody(), Clock: a.Clock, Rand: a.Rand, Log: a.Log, Vault: vault,
		Server: "tianweitong", Observe: a.metrics.custody,
	})
	if err := h.custody.Healthy(); err != nil {
		return err
	}
	if err := h.custody.Start(ctx); err != nil {
		return err
	}
	requester, err := h.custody.RolePublicKey(ctx, custody.RoleKMC, custody.House)
	if err != nil {
		return err
	}
	transport, err := h.custody.TransportKey(ctx)
	if err != nil {
		return err
	}
	centre, err := kmc.New(ctx, kmc.Deps{
		Runner: a.kmc, Store: a.kmc, Clock: a.Clock, Rand: a.Rand, Log: a.Log, Vault: escrow, Arc: h.arc,
		Requester: requester, Transport: transport,
	})
	if err != nil {
		return err
	}
	h.centre = &kmc.Client{
		Sign: func(ctx context.Context, body []byte) ([]byte, error) {
			return h.custody.SignAs(ctx, custody.RoleKMC, custody.House, custody.KMCRequest(body))
		},
		Send: centre.Serve, Centre: centre.PublicKey(), Clock: a.Clock, Rand: a.Rand,
	}
	h.ca = a.authority()
	if a.cfg.Mode == config.Sandbox {
		err = h.ca.Ceremony(ctx)
	} else {
		err = h.ca.Load(ctx)
	}
	a.sealer = audit.NewSealer(a.store, a.store.Audit(), checkpoints{h.custody}, a.Clock, a.Log)
	a.sealer.Observe = a.journalEntry()
	return err
}

func (a *App) authority() *ca.Service {
	h := a.house
	return ca.New(ca.Deps{
		Runner: a.store, Store: a.store.CA(), Signer: h.custody, Clock: a.Clock, Rand: a.Rand, Log: a.Log,
		Arc: h.arc, Sandbox: a.cfg.Mode == config.Sandbox, Operator: a.cfg.Operator, Institutions: institutions(),
		BaseURL: a.urls.PKI, PINKeys: h.custody.IsPINKey,
	})
}

func institutions() []ca.Institution {
	return []ca.Institution{{Code: SandboxInstitution, Name: "沙箱第一CA"}}
}

// wireNouns builds the nouns and their providers.
func (a *App) wireNouns(context.Context) error {
	h, st := a.house, a.store
	providerKey, err := keyFile(a.cfg, a.Rand, "provider")
	if err != nil {
		return err
	}
	bearer := hex.EncodeToString(providerKey)
	h.puzzles = puzzle.New(puzzle.Deps{Clock: a.Clock, Rand: a.Rand, Box: st.Box})
	h.accounts = account.New(account.Deps{
		Runner: st, Store: people.Accounts(st), Clock: a.Clock, Rand: a.Rand, Box: st.Box,
		SMS: sms.New(a.urls.Sandbox+sandbox.SMSBase, bearer), Log: a.Log, Agreements: agreements(), Puzzles: h.puzzles,
	})
	h.realname = realname.New(realname.Deps{
		Runner: st, Store: people.Realnames(st), Clock: a.Clock, Rand: a.Rand, Box: st.Box, Accounts: h.accounts,
		Checker: idcheck.New(a.urls.Sandbox+sandbox.IDCheckBase, bearer), Log: a.Log,
	})
	h.catalog = catalog.New(catalog.Deps{Store: st.Catalog(), Clock: a.Clock, Rand: a.Rand})
	h.notices = notice.New(notice.Deps{Runner: st, Store: people.Notices(st), Clock: a.Clock, Rand: a.Rand, Texts: h.accounts})
	h.certificates = certificate.New(certificate.Deps{Store: st.Certificates(), Runner: st, Clock: a.Clock, Rand: a.Rand, Devices: h.accounts, Directory: h.catalog})
	h.roamings = roaming.New(roaming.Deps{Store: st.Roamings(), Clock: a.Clock, Rand: a.Rand})
	h.usage = usage.New(usage.Deps{Store: st.Usage(), Runner: st, Clock: a.Clock, Rand: a.Rand, Chain: st.Audit()})
	payKey, err := keyFile(a.cfg, a.Rand, "pay")
	if err != nil {
		return err
	}
	merchant := pay.Secret{Merchant: "SANDBOX", Key: payKey}
	gateway, err := pay.NewSandbox(pay.Options{
		Secret: merchant, Base: a.urls.Sandbox + pay.GatewayPath, Notify: a.urls.App + "/notify/pay/sandbox",
		Return: a.urls.App + "/orders/", Clock: a.Clock, Rand: a.Rand,
	})
	if err != nil {
		return err
	}
	h.counter, err = pay.NewCounter(pay.CounterOptions{
		Secret: merchant, Public: cmp.Or(a.urls.Cashier, a.urls.Sandbox), Client: a.client(), File: filepath.Join(a.cfg.Data, "sandbox-counter.json"), Clock: a.Clock, Rand: a.Rand,
		Observe: a.journalPayment(),
	})
	if err != nil {
		return err
	}
	h.gateways = map[string]order.Gateway{"sandbox": gateway}
	h.orders = order.New(order.Deps{
		Store: st.Orders(), Runner: st, Clock: a.Clock, Rand: a.Rand, Log: a.Log, Prices: purchase.Prices{Catalog: h.catalog},
		Fulfiller: purchase.Fulfiller{Certificates: h.certificates, Roamings: h.roamings, Notices: h.notices}, Notices: h.notices, Gateways: h.gateways,
	})
	return nil
}

// wireScans builds scan transactions and the platforms' side of them.
func (a *App) wireScans(context.Context) error {
	h, st := a.house, a.store
	tokens, err := a.box("qr")
	if err != nil {
		return err
	}
	h.scans = scan.New(scan.Deps{
		Store: st.Scans(), Runner: st, Clock: a.Clock, Rand: a.Rand, Box: tokens, AppURL: a.urls.App,
		Platforms: h.catalog, People: h.realname, Certificates: h.certificates, Roamings: h.roamings,
		Usages: h.usage, Custody: h.custody, Timestamps: h.ca, Push: h.hub, Arc: h.arc, Notices: h.notices,
	})
	h.callbacks = platformapi.NewCallbacks(platformapi.CallbackDeps{
		Runner: st, Store: st.PlatformRequests(), Clock: a.Clock, Rand: a.Rand, Log: a.Log, Directory: h.catalog, Scans: h.scans,
		Signer: platformapi.HouseSigner{Custody: h.custody, Certificates: func(ctx context.Context) ([][]byte, error) {
			return h.ca.Service(ctx, "callback")
		}},
		Sandbox: a.cfg.Mode == config.Sandbox, Observe: a.journalCallback(),
	})
	h.platforms = platformapi.New(platformapi.Deps{
		Runner: st, Store: st.PlatformRequests(), Clock: a.Clock, Rand: a.Rand, Log: a.Log, Directory: h.catalog, Scans: h.scans,
		Certificates: h.certificates, Hub: h.hub, Audience: hostOf(a.urls.Platform), TrustProxy: a.cfg.TrustProxy, Version: a.Version,
		Observe: a.metrics.request("platform"),
	})
	return nil
}

// service gives the certificate of a service role.
func (h *house) service(role string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		chain, err := h.ca.Service(ctx, role)
		if err != nil {
			return nil, err
		}
		return chain[0], nil
	}
}

// wireFlows builds what spans the nouns.
func (a *App) wireFlows(context.Context) error {
	h, st := a.house, a.store
	a.wireMembers()
	a.wireEnterprises()
	h.safety = safety.New(safety.Deps{Runner: st, Accounts: h.accounts, Keys: h.custody, Notices: h.notices})
	h.rephone = rephone.New(rephone.Deps{
		Store: people.PhoneChanges(st), Runner: st, Clock: a.Clock, Rand: a.Rand, Accounts: h.accounts, Faces: h.realname, Notices: h.notices,
	})
	h.purchase = purchase.New(purchase.Deps{Runner: st, Persons: h.realname, Orders: h.orders})
	h.pin = pin.New(pin.Deps{
		Store: st.PINSetups(), Runner: st, Clock: a.Clock, Rand: a.Rand, Custody: h.custody, Accounts: h.accounts, Notices: h.notices,
		Faces: h.realname, Refresher: h.custody, Installations: st.Installations(), ServiceCertificate: h.service("statement"),
	})
	h.recover = recover.New(recover.Deps{
		Store: st.Recoveries(), Runner: st, Clock: a.Clock, Rand: a.Rand, Custody: h.custody, Accounts: h.accounts,
		Certificates: h.certificates, Installations: st.Installations(), Faces: h.realname, Notices: h.notices, Transactions: h.scans,
	})
	h.closing = closing.New(closing.Deps{
		Runner: st, Accounts: h.accounts, Certificates: h.certificates, Orders: h.orders, Recoveries: h.recover, Persons: h.realname, Keys: h.custody,
		Members: h.members, Applications: h.enterprises,
	})
	h.install = install.NewService(install.Deps{
		Store: st.Installations(), Runner: st, Clock: a.Clock, Rand: a.Rand, Log: a.Log, Arc: h.arc, Custody: h.custody, KMC: h.centre,
		Issuer: issuer.Own{CA: h.ca, Arc: h.arc}, Certificates: h.certificates, Persons: h.realname, Roamings: h.roamings, Orders: h.orders,
		Revoker: h.ca, Notices: h.notices, Usage: h.usage, Recoveries: h.recover, ServiceCertificate: h.service("statement"),
	})
	h.revoke = revoke.New(revoke.Deps{
		Store: st.Revocations(), Runner: st, Clock: a.Clock, Rand: a.Rand, Custody: h.custody, Certificates: h.certificates,
		Authority: h.ca, Persons: h.realname, Notices: h.notices, Usage: h.usage, Recoveries: h.recover,
	})
	h.check = check.New(check.Deps{
		Runner: st, Clock: a.Clock, Rand: a.Rand, Custody: h.custody, Certificates: h.certificates, Authority: h.ca,
		Roamings: h.roamings, Platforms: h.catalog, Persons: h.realname, Usage: h.usage, ServiceCertificate: h.service("statement"),
	})
	return nil
}

// start registers the background work and enqueues its ticks.
func (a *App) start(ctx context.Context) error {
	h := a.house
	for _, room := range []interface{ Register(*job.Runner) }{
		h.accounts, h.realname, h.enterprises, h.orders, h.scans, h.callbacks, h.custody, h.ca, h.install,
	} {
		room.Register(a.jobs)
	}
	a.jobs.Handle(custody.TopicNotice, job.Patient, a.custodyNotice)
	for _, room := range []interface{ Start(context.Context) error }{h.accounts, h.enterprises, h.scans, h.callbacks, h.ca} {
		if err := room.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reserveDoors takes the listeners' addresses before anything needs to know them.
func (a *App) reserveDoors() error {
	https := a.cfg.LAN != ""
	for _, d := range []struct {
		name, variable, address, public string
		https                           bool
		url                             *string
	}{
		{"app", "TWT_APP", a.cfg.App, a.cfg.AppURL, https, &a.urls.App},
		{"platform", "TWT_PLATFORM", a.cfg.Platform, a.cfg.PlatformURL, https, &a.urls.Platform},
		{"pki", "TWT_PKI", a.cfg.PKI, a.cfg.PKIURL, false, &a.urls.PKI},
		{"sandbox", "TWT_SANDBOX", a.cfg.Panel, "", false, &a.urls.Sandbox},
		{"cashier", "TWT_CASHIER", a.cfg.Cashier, "", https, &a.urls.Cashier},
		{"trust", "TWT_TRUST", a.cfg.Trust, "", false, &a.urls.Trust},
		{"console", "TWT_CONSOLE", a.cfg.Console, a.cfg.ConsoleURL, false, &a.urls.Console},
		{"ops", "TWT_OPS", a.cfg.Ops, "", false, &a.urls.Ops},
	} {
		if *d.url = d.public; d.address == "off" || d.address == "" {
			continue
		}
		scheme := "http://"
		if d.https {
			scheme = "https://"
		}
		if a.shut {
			if d.public == "" {
				*d.url = scheme + d.address
			}
			continue
		}
		l, err := net.Listen("tcp", d.address)
		if err != nil {
			return fmt.Errorf("the %s listener cannot take %s (%w): stop what uses it, or set %s to another address", d.name, d.address, err, d.variable)
		}
		if d.public == "" {
			*d.url = scheme + l.Addr().String()
		}
		if d.https {
			l = tls.NewListener(l, a.root.Config(netip.MustParseAddr(a.cfg.LAN)))
		}
		a.doors = append(a.doors, &door{name: d.name, listener: l})
	}
	return nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// wireDoors gives each reserved listener its handler.
func (a *App) wireDoors(ctx context.Context) error {
	h := a.house
	panel, err := a.panel(ctx)
	if err != nil {
		return err
	}
	h.phones = app.New(a.appDeps())
	a.handle("app", a.appDoor(h.phones.Handler()))
	a.handle("platform", h.platforms.Handler())
	a.handle("pki", pkihttp.New(h.ca, a.Clock, a.Log, a.cfg.Mode == config.Sandbox))
	a.handle("sandbox", panel)
	a.handle("cashier", a.cashierDoor())
	if a.root != nil {
		page, err := a.root.Page(a.urls.App)
		if err != nil {
			return err
		}
		a.handle("trust", page)
	}
	a.handle("ops", opsHandler(a.metrics, a.ready))
	return nil
}
