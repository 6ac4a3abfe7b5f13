package lan

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// The page's files. It comes by plain http, because the phone trusts nothing
// here yet: what protects it is the fingerprint that the person compares.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS []byte
)

var page = template.Must(template.New("page").Parse(pageHTML))

// RootPath is where the certificate is, in DER.
const RootPath = "/twt-root.crt"

// Page is the site where a phone gets the root and then goes on to the app.
func (r *Root) Page(app string) (http.Handler, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, struct{ App, Root, Fingerprint string }{app, RootPath, r.Fingerprint()}); err != nil {
		return nil, fmt.Errorf("lan: the page: %w", err)
	}
	mux := http.NewServeMux()
	for path, f := range map[string]struct {
		kind    string
		content []byte
	}{
		"GET /{$}":        {"text/html; charset=utf-8", b.Bytes()},
		"GET /page.css":   {"text/css; charset=utf-8", pageCSS},
		"GET " + RootPath: {"application/x-x509-ca-cert", r.DER()},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			w.Write(f.content)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, q)
	}), nil
}

// Steps tells in the terminal's words how a phone comes to trust the root, in
// Chinese and English.
func (r *Root) Steps() string {
	half := strings.Split(r.Fingerprint(), " ")
	return `   iPhone   下载后：设置 → 已下载描述文件 → 安装；再到 设置 → 通用 → 关于本机 → 证书信任设置，打开这个证书的开关
            Settings → Profile Downloaded → Install; then General → About → Certificate Trust Settings → switch it on
   Android  下载后：设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书，选择 twt-root.crt
            Settings → Security → Encryption & credentials → Install a certificate → CA certificate → twt-root.crt
   安装前请核对 SHA-256 指纹，不一致请勿安装；试用结束后请从手机中移除。
   Compare this SHA-256 fingerprint before installing; remove the root from the phone when you are done.
            ` + strings.Join(half[:16], " ") + `
            ` + strings.Join(half[16:], " ") + "\n"
}
