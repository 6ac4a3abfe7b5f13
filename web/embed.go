// Package web holds the built pages and serves them: the phone's app on its
// origin, the officers' console (后台) and the sandbox panel's page (沙箱面板) on
// others.
//
// `make build` fills the dist folders; a fresh clone has them empty but for a
// mark, and a page then tells how to build.
package web

import (
	"embed"
	"io/fs"
	"strings"
	"sync"
)

//go:embed all:phone/dist all:sandbox/dist all:console/dist
var dist embed.FS

//go:embed unbuilt.html
var unbuilt string

// phonePolicy is the app's content security policy (docs/web.md). WebAssembly
// is the one thing that may become code besides our own files; of the two
// trusted-types policies Vue's runtime makes the first and we the second, for
// the addresses of our workers.
const phonePolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; " +
	"font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue twt"

// panelPolicy is the panel's.
const panelPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"

// Phone is the app's origin. durable says that it is reached by https under a
// name that stays: browsers are told to come by nothing else for a year.
func Phone(durable bool) *Origin {
	return &Origin{
		files: phoneFiles(), policy: phonePolicy, camera: "(self)", durable: durable,
		pages: map[string]string{"/get": "get.html"},
		// Nothing below these is a page of the app, whatever a request says.
		reserved: []string{"/app/", "/assets/", "/core/", "/face/", "/icons/", "/notify/", "/open/", "/openapi", "/sandbox/"},
	}
}

// Panel is the sandbox panel's origin.
func Panel() *Origin {
	return &Origin{files: panelFiles(), policy: panelPolicy, camera: "()", reserved: []string{"/assets/", "/sandbox/"}}
}

// consolePolicy is the console's: pictures of documents come as blobs.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"

// Console is the officers' origin; durable as in Phone.
func Console(durable bool) *Origin {
	return &Origin{
		files: consoleFiles(), policy: consolePolicy, camera: "()", passkeys: true, durable: durable,
		reserved: []string{"/assets/", "/console/", "/openapi"},
	}
}

var (
	consoleFiles = sync.OnceValue(func() tree { return builtIn("console/dist") })
	phoneFiles   = sync.OnceValue(func() tree { return builtIn("phone/dist") })
	panelFiles   = sync.OnceValue(func() tree { return builtIn("sandbox/dist") })
)

func builtIn(dir string) tree {
	sub, err := fs.Sub(dist, dir)
	if err == nil {
		var t tree
		if t, err = grow(sub); err == nil {
			return t
		}
	}
	panic("web: the files inside the binary cannot be read: " + err.Error())
}

// Unbuilt is the page that stands where no pages were built.
func Unbuilt() string { return strings.TrimSpace(unbuilt) }
