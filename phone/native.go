//go:build !js

package phone

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client is the HTTP client of a phone outside of a browser.
type Client = http.Client

// connect gives a phone without a transport one over HTTP, and the device key
// that signs its requests; fresh says that the key is new.
func (p *Phone) connect() (fresh bool, err error) {
	if p.Transport != nil {
		return false, nil
	}
	if len(p.state.DeviceKey) == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), p.Rand)
		if err != nil {
			return false, err
		}
		if p.state.DeviceKey, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return false, err
		}
		fresh = true
	}
	parsed, err := x509.ParsePKCS8PrivateKey(p.state.DeviceKey)
	if err != nil {
		return false, fmt.Errorf("phone: the device key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return false, errors.New("phone: the device key is of another kind")
	}
	if p.HTTP == nil {
		p.HTTP = &http.Client{Timeout: 60 * time.Second}
	}
	d := &direct{phone: p, device: key}
	sum := sha256.Sum256(d.spki())
	p.Transport, p.Thumbprint = d, sum[:]
	return fresh, nil
}

// direct is the transport over HTTP: it keeps the session cookie and signs.
type direct struct {
	phone  *Phone
	device *ecdsa.PrivateKey
}

func (d *direct) spki() []byte {
	b, err := x509.MarshalPKIXPublicKey(&d.device.PublicKey)
	if err != nil {
		panic("phone: a P-256 key that cannot be encoded: " + err.Error())
	}
	return b
}

// Send implements Transport.
func (d *direct) Send(ctx context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	u, err := url.Parse(d.phone.Server + "/app/v1" + path)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "TianWeiTong-GoPhone/1")
	if d.phone.state.Token != "" {
		if err := d.sign(req, body); err != nil {
			return 0, nil, err
		}
	}
	res, err := d.phone.HTTP.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return 0, nil, err
	}
	if res.StatusCode < 300 {
		for _, c := range res.Cookies() {
			if c.Name == "twt" {
				d.phone.state.Token = c.Value
			}
		}
	}
	return res.StatusCode, answer, nil
}

// sign puts the session cookie and the device signature on a request
// (docs/split-keys.md §3.3).
func (d *direct) sign(req *http.Request, body []byte) error {
	p := d.phone
	number := make([]byte, 16)
	if _, err := io.ReadFull(p.Rand, number); err != nil {
		return err
	}
	at := strconv.FormatInt(p.now().UnixMilli(), 10)
	sum := sha256.Sum256(body)
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte("TWT/request/v1"), []byte(req.Method), []byte(req.URL.RequestURI()), sum[:], p.state.Nonce,
		[]byte(at), []byte(hex.EncodeToString(number)),
	} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	signature, err := ecdsa.SignASN1(p.Rand, d.device, h.Sum(nil))
	if err != nil {
		return err
	}
	req.AddCookie(&http.Cookie{Name: "twt", Value: p.state.Token})
	req.Header.Set("Twt-Time", at)
	req.Header.Set("Twt-Request", hex.EncodeToString(number))
	req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	return nil
}
