package main

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/lan"
)

// banner is what a person sees at the start: every address, and the app's as a
// QR code for a phone's camera.
type banner struct {
	cfg  config.Config
	urls app.URLs
	demo string
	root *lan.Root
}

// String implements fmt.Stringer.
func (b banner) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n天威通 %s", version)
	if b.cfg.Mode == config.Sandbox {
		s.WriteString("（沙箱：证书无法律效力，短信、支付与核验均为模拟）")
	}
	s.WriteString("\n\n")
	for _, l := range []struct{ url, name string }{
		{b.urls.App, "手机应用 the app"},
		{b.demo, "演示交易平台：扫码登录、签署投标函 a trading platform to log in to and sign on"},
		{b.urls.Sandbox, "沙箱面板：短信、支付、核验、时钟 sandbox panel: SMS inbox, payments, checks, clock"},
		{b.urls.Console, "后台：先用 tianweitong admin create 建立超级管理员 the officers' console"},
		{b.urls.Platform, "交易平台接口 platform API"},
		{b.urls.PKI, "吊销列表、OCSP、时间戳 CRL, OCSP, timestamps"},
		{b.urls.Cashier, "沙箱收银台 sandbox cashier"},
		{b.urls.Ops, "健康与指标 /healthz /readyz /metrics"},
	} {
		if l.url != "" {
			fmt.Fprintf(&s, "  %-30s %s\n", l.url, l.name)
		}
	}
	s.WriteString("\n")
	if b.root != nil {
		b.network(&s)
	} else if b.urls.App != "" {
		s.WriteString(terminalQR(b.urls.App))
		if b.cfg.Mode == config.Sandbox {
			s.WriteString("\n  这个地址只有本机能打开；用真实手机试用：make run LAN=1\n  This address opens on this computer only; for a real phone: make run LAN=1\n")
		}
	}
	fmt.Fprintf(&s, "\n  数据目录 data folder: %s；按 Ctrl-C 停止 Ctrl-C stops.\n", b.cfg.Data)
	return s.String()
}

// network tells how a phone on the local network comes to the app.
func (b banner) network(s *strings.Builder) {
	fmt.Fprintf(s, `  局域网模式：手机与本机连接同一网络，先信任本机的测试根证书（只需一次），再打开应用。
  沙箱面板只在本机打开：收件箱里有验证码，不向网络开放。
  Local network: join the phone to the same network, trust this computer's test root once, then open the app.
  The sandbox panel opens on this computer only, because its inbox shows codes.

1. 扫码下载根证书 Scan to get the root: %s
%s%s
2. 扫码打开应用 Then scan to open the app: %s
%s`, b.urls.Trust, terminalQR(b.urls.Trust), b.root.Steps(), b.urls.App, terminalQR(b.urls.App))
}

// quiet is the light edge that a reader needs, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// terminalQR draws a code two modules a character high, in colours of its own:
// dark on light, whatever the terminal's are.
func terminalQR(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "" // longer than a code holds: the address stands above
	}
	const dark, light = "16", "231" // fixed colours of the 256, no theme moves them
	shade := func(x, y int) string {
		if code.Black(x, y) {
			return dark
		}
		return light
	}
	var s strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		s.WriteString("  ")
		last := ""
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := shade(x, y), shade(x, y+1)
			if now := "\x1b[38;5;" + upper + ";48;5;" + lower + "m"; now != last {
				s.WriteString(now)
				last = now
			}
			s.WriteString("▀")
		}
		s.WriteString("\x1b[0m\n")
	}
	return s.String()
}
