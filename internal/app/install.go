package app

import (
	"net/http"

	"tianweitong/internal/httpapi"
	"tianweitong/platform"
)

// installQR draws the QR code of the page that installs the app (2.1.a). It
// shows the house's own address and takes nothing from the request.
func (a *App) installQR(w http.ResponseWriter, r *http.Request) {
	picture, err := platform.QR{Text: a.urls.App + "/get"}.SVG()
	if err != nil {
		httpapi.WriteProblem(w, r, a.Log, err)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(picture)
}
