package platform_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"tianweitong/platform"
)

// A page that logs in by scanning: begin a login for the browser session, let
// the widget serve its page, and go on with the verified result.
func Example() {
	creds, err := platform.LoadCredentials("keys")
	if err != nil {
		log.Fatal(err)
	}
	client, err := platform.New(platform.Config{
		BaseURL: "https://open.example.cn", Code: "M1100000034",
		SigningKey: creds.Signing, Certificate: creds.Certificate, Roots: creds.Roots,
		Revocation: platform.NewCRLs(nil, nil).Check,
	})
	if err != nil {
		log.Fatal(err)
	}
	var begun platform.Transaction // in truth: of the browser session
	secret := []byte("the session's secret, 16 bytes or more")

	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		begun, err = client.BeginLogin(r.Context(), platform.LoginRequest{Request: platform.Request{
			Title: "登录样例平台", Secret: secret, Browser: platform.BrowserOf(r)}})
		if err != nil {
			http.Error(w, "暂时无法登录，请稍后重试", http.StatusBadGateway)
		}
	})
	widget := client.Widget(func(*http.Request) (platform.Transaction, []byte, bool) { return begun, secret, begun.ID != "" })
	http.Handle("GET /scan/", widget) // /scan/qr, /scan/state, /scan/events
	http.HandleFunc("POST /finish", func(w http.ResponseWriter, r *http.Request) {
		st, err := widget.Status(r)
		if err != nil || st.Result == nil {
			http.Error(w, "尚未登录", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, "您好，%s", st.Result.Identity.Name)
	})
}

// A program without a page waits for a signature by itself.
func ExampleClient_Watch() {
	var client *platform.Client
	var letter []byte
	ctx := context.Background()
	tx, err := client.BeginSign(ctx, platform.SignRequest{
		Request: platform.Request{Title: "签署投标函", Secret: []byte("the session's secret"), Browser: platform.Browser{Address: "192.0.2.7"}},
		Name:    "投标函.txt", Document: letter,
	})
	if err != nil {
		log.Fatal(err)
	}
	for st, err := range client.Watch(ctx, tx) {
		if err != nil {
			log.Fatal(err)
		}
		if st.Result != nil {
			p7s, err := st.Result.CMS()
			fmt.Println(st.Result.SignedAt, len(p7s), err)
		}
	}
}
