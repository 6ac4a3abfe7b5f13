package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Origin serves the pages of one origin. It is made by Phone, Console or Panel.
type Origin struct {
	files    tree
	policy   string
	camera   string // the allow list of the camera
	passkeys bool   // whether its pages make and use passkeys
	durable  bool
	pages    map[string]string // addresses without a suffix that are pages of their own
	reserved []string
}

// tree are the files of a build by their path without a leading slash.
type tree map[string]file

// file is one file in its representations; the identity is always there.
type file struct {
	kind      string // media type
	etag      string // of the identity, without quotes
	immutable bool
	forms     []form // by preference, the identity last
}

type form struct {
	coding string // "" for the identity
	size   int64
	open   func() (fs.File, error)
}

// shell is the page of the app; its router reads the address.
const shell = "index.html"

// codings are the precompressed forms, the smaller first.
var codings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// hashed are the folders whose files are named by their content.
var hashed = regexp.MustCompile(`^(assets|core)/.*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$`)

// kinds are the media types of what a build leaves. The system's table is not
// asked: it differs from machine to machine, and a module or WebAssembly of the
// wrong type does not run.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
	".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".jpg": "image/jpeg", ".webp": "image/webp", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

// grow reads a build's folder.
func grow(from fs.FS) (tree, error) {
	t := tree{}
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || compressed(name) {
			return err
		}
		f := file{kind: kinds[path.Ext(name)], immutable: hashed.MatchString(name)}
		if f.kind == "" {
			f.kind = "application/octet-stream"
		}
		if f.etag, err = fingerprint(from, name); err != nil {
			return err
		}
		for _, c := range codings {
			if info, err := fs.Stat(from, name+c.suffix); err == nil {
				f.forms = append(f.forms, form{c.name, info.Size(), func() (fs.File, error) { return from.Open(name + c.suffix) }})
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.forms = append(f.forms, form{"", info.Size(), func() (fs.File, error) { return from.Open(name) }})
		t[name] = f
		return nil
	})
	return t, err
}

func compressed(name string) bool {
	for _, c := range codings {
		if strings.HasSuffix(name, c.suffix) {
			return true
		}
	}
	return false
}

func fingerprint(from fs.FS, name string) (string, error) {
	f, err := from.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

// Built says whether there are pages.
func (o *Origin) Built() bool { _, ok := o.files[shell]; return ok }

// ServeHTTP answers GET and HEAD: a file by its name, a page by its address,
// the app's shell for any other navigation, and 404 for the rest, so that a
// missing script or module is never answered with a page.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "只能读取。", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if page, ok := o.pages[r.URL.Path]; ok {
		name = page
	} else if _, ok := o.files[name]; !ok && o.navigation(r) {
		name = shell
		if !o.Built() {
			w.Header().Set("Content-Type", kinds[".html"])
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, Unbuilt())
			return
		}
	}
	f, ok := o.files[name]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "没有这个文件。", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

// navigation tells a person who opens an address from a page's request for a
// part of it.
func (o *Origin) navigation(r *http.Request) bool {
	p := r.URL.Path
	if p != path.Clean(p) || strings.Contains(path.Base(p), ".") {
		return false
	}
	for _, prefix := range o.reserved {
		if strings.HasPrefix(p, prefix) {
			return false
		}
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	chosen := f.forms[len(f.forms)-1]
	if len(f.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
		// A range is of the identity: nobody resumes a compressed page.
		if r.Header.Get("Range") == "" {
			for _, c := range f.forms {
				if c.coding == "" || accepts(r.Header.Get("Accept-Encoding"), c.coding) {
					chosen = c
					break
				}
			}
		}
	}
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Etag", `"`+f.etag+`"`)
	if chosen.coding != "" {
		h.Set("Content-Encoding", chosen.coding)
		h.Set("Content-Length", strconv.FormatInt(chosen.size, 10))
		h.Set("Etag", `"`+f.etag+"-"+chosen.coding+`"`)
	}
	content, err := chosen.open()
	if err != nil {
		http.Error(w, "文件暂时无法读取。", http.StatusInternalServerError)
		return
	}
	defer content.Close()
	seeker, ok := content.(io.ReadSeeker)
	if !ok {
		http.Error(w, "文件暂时无法读取。", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, seeker)
}

// accepts reads Accept-Encoding (RFC 9110 §12.5.3) for one coding by its name;
// "*" is not taken for it.
func accepts(header, coding string) bool {
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 32)
		return err == nil && weight > 0
	}
	return false
}

// Secure puts the origin's headers on every answer of a handler that stands
// on the same origin: an API, a picture.
func (o *Origin) Secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.secure(w.Header())
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers of a page that runs alone: no code but its own, no
// frame around it, no window that opened it, no resource of another origin
// unasked, and of the machine's abilities only what the app uses. Scripts of
// workers carry the policy too: a worker obeys that of its own answer.
func (o *Origin) secure(h http.Header) {
	h.Set("Content-Security-Policy", o.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	keys := "()"
	if o.passkeys {
		keys = "(self)"
	}
	h.Set("Permissions-Policy", "camera="+o.camera+", clipboard-write=(self), publickey-credentials-create="+keys+", publickey-credentials-get="+keys+", "+forbidden)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if o.durable {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// forbidden are abilities that no page here uses, as far as browsers know them.
const forbidden = "accelerometer=(), browsing-topics=(), clipboard-read=(), display-capture=(), encrypted-media=(), " +
	"geolocation=(), gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), " +
	"midi=(), payment=(), picture-in-picture=(), serial=(), usb=(), " +
	"window-management=(), xr-spatial-tracking=()"
