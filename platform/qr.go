package platform

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"
)

// QR is one QR code (二维码) of a transaction. It is replaced every 10 s or
// sooner and dies a few seconds later (docs/domain.md §1.9).
type QR struct {
	Text      string
	RotatesAt time.Time // ask for the next one then
	ExpiresAt time.Time // of the transaction
}

const maxQRText = 512

// QR asks for the code to be shown now. It is never kept.
func (c *Client) QR(ctx context.Context, tx Transaction) (QR, error) {
	path, err := c.path(tx, "/qr")
	if err != nil {
		return QR{}, err
	}
	var q QR
	if err := c.call(ctx, "GET", path, nil, &q); err != nil {
		return QR{}, err
	}
	u, err := url.Parse(q.Text)
	if err != nil || len(q.Text) > maxQRText || u.Host == "" || !strings.HasPrefix(u.EscapedFragment(), "k=") ||
		(u.Scheme != "https" && !(c.sandbox && u.Scheme == "http")) {
		return QR{}, fmt.Errorf("%w: not the text of a QR code", ErrReply)
	}
	return q, nil
}

func (q QR) encode() (*qr.Code, error) {
	code, err := qr.Encode(q.Text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("platform: draw QR code: %w", err)
	}
	return code, nil
}

// PNG draws the code, 8 pixels a module, with its quiet zone.
func (q QR) PNG() ([]byte, error) {
	code, err := q.encode()
	if err != nil {
		return nil, err
	}
	return code.PNG(), nil
}

// quiet is the white edge that a reader needs, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// SVG draws the code, dark on white in every theme, with its quiet zone. The
// picture holds numbers only, nothing of the text.
func (q QR) SVG() ([]byte, error) {
	code, err := q.encode()
	if err != nil {
		return nil, err
	}
	side := strconv.Itoa(code.Size + 2*quiet)
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + side + ` ` + side +
		`" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h` + side + `v` + side + `H0z"/><path fill="#131a2a" d="`)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				n := strconv.Itoa(x - from)
				fmt.Fprintf(&b, "M%d %dh%sv1h-%sz", from+quiet, y+quiet, n, n)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String()), nil
}
