package platformapi

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

func (s *Server) transactionRoutes() {
	route(s, http.MethodPost, "/transactions", http.StatusCreated, "发起扫码业务", s.create)
	route(s, http.MethodGet, "/transactions/{tId}", http.StatusOK, "查询扫码业务与结果", s.get)
	route(s, http.MethodGet, "/transactions/{tId}/qr", http.StatusOK, "取当前二维码", s.qr)
	route(s, http.MethodPost, "/transactions/{tId}/cancel", http.StatusOK, "取消扫码业务", s.cancel)
	s.eventRoute()
}

// createInput is the body of POST /transactions.
type createInput struct {
	Body struct {
		Type    string `json:"type" enum:"login,sign" doc:"业务类型"`
		Title   string `json:"title" minLength:"1" maxLength:"100" doc:"手机上显示的业务名称"`
		Binding []byte `json:"browserBinding" doc:"平台为该浏览器会话保存的秘密的 SM3，32 字节"`
		Browser struct {
			UserAgent string `json:"userAgent" maxLength:"512"`
			Address   string `json:"address" maxLength:"64" doc:"浏览器的网络地址"`
		} `json:"browser"`
		Expected string `json:"expectedIdentity,omitempty" maxLength:"64" doc:"已登录身份的编号；其他身份不能扫码"`
		AskCode  bool   `json:"askCode,omitempty" doc:"要求在手机上输入验证数字；登录默认要求"`
		Notify   string `json:"notifyPath,omitempty" maxLength:"256" doc:"回调路径，接在已登记的回调地址之后"`
		Login    *struct {
			Challenge []byte `json:"challenge" doc:"平台的挑战值，16 至 64 字节"`
		} `json:"login,omitempty"`
		Sign *struct {
			Document []byte `json:"document,omitempty" doc:"待签文件，不超过 4 MiB"`
			Name     string `json:"name" minLength:"1" maxLength:"255"`
			Size     int64  `json:"size,omitempty" doc:"更大的文件只给出大小与 SM3"`
			Digest   []byte `json:"digest,omitempty"`
		} `json:"sign,omitempty"`
	}
}

func (in *createInput) request() (scan.Request, error) {
	b := in.Body
	r := scan.Request{
		Type: scan.Type(b.Type), Title: b.Title, Binding: b.Binding, Browser: scan.Browser(b.Browser), Expected: b.Expected,
		AskCode: b.AskCode, NotifyPath: b.Notify,
	}
	switch {
	case b.Type == string(scan.Login) && b.Login != nil && b.Sign == nil:
		r.Challenge = b.Login.Challenge
	case b.Type == string(scan.Sign) && b.Sign != nil && b.Login == nil:
		r.Body, r.Document = b.Sign.Document, scan.Document{Name: b.Sign.Name, Size: b.Sign.Size, Digest: b.Sign.Digest}
	default:
		return r, scan.CodeRequest.With(map[string]any{"field": b.Type})
	}
	return r, nil
}

// created is the answer to POST /transactions.
type created struct {
	TID       string     `json:"tId"`
	Seq       int64      `json:"seq"`
	State     scan.State `json:"state"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

// create is idempotent by the request's nonce: the very same request again gets
// the transaction that it made.
func (s *Server) create(ctx context.Context, c Caller, in *createInput) (*body[created], error) {
	if err := s.begun.take(c.Platform.Code, s.Creations, s.Clock.Now()); err != nil {
		return nil, err
	}
	r, err := in.request()
	if err != nil {
		return nil, err
	}
	draft, err := s.Scans.Draft(c.Platform, r)
	if err != nil {
		return nil, err
	}
	var out created
	err = s.Runner.Do(ctx, "platformapi.create", func(ctx context.Context, tx work.Tx) error {
		earlier, fresh, err := s.Store.TakeNonce(ctx, tx, nonceOf(c, draft.ID()))
		if err != nil {
			return err
		}
		var t scan.Transaction
		switch {
		case fresh:
			t, err = s.Scans.Create(ctx, tx, draft)
		case earlier.Transaction == "" || !bytes.Equal(earlier.Digest, c.Digest):
			return CodeReplayed
		default:
			t, err = s.Scans.OfPlatform(ctx, tx, c.Platform.Code, earlier.Transaction)
		}
		out = created{t.ID, t.Seq, t.State, t.ExpiresAt}
		return err
	})
	return &body[created]{out}, err
}

func nonceOf(c Caller, transaction string) scan.Nonce {
	return scan.Nonce{
		Platform: c.Platform.Code, Value: c.Nonce, Digest: c.Digest, Transaction: transaction,
		// Later the request's time is refused.
		ExpiresAt: c.At.Add(Skew + time.Minute),
	}
}

type transactionInput struct {
	TID string `path:"tId" maxLength:"64"`
}

// transaction is what a platform sees of a transaction.
type transaction struct {
	TID   string     `json:"tId"`
	Type  scan.Type  `json:"type"`
	State scan.State `json:"state"`
	// Code is the verification code, to be shown on the page while SCANNED.
	Code      string    `json:"code,omitempty" doc:"验证数字，SCANNED 时在页面上显示"`
	ScannedAt time.Time `json:"scannedAt,omitzero"`
	Result    *result   `json:"result,omitempty"`
}

// result is there once a transaction has ended; all but Code only after OK and
// for 24 hours.
type result struct {
	Code        scan.Outcome   `json:"code"`
	Identity    *scan.Identity `json:"identity,omitempty"`
	Certificate []byte         `json:"certificate,omitempty" doc:"签名证书，DER"`
	Chain       [][]byte       `json:"chain,omitempty" doc:"签发证书至根证书，DER"`
	M           []byte         `json:"m,omitempty" doc:"被签名的原文"`
	Signature   []byte         `json:"signature,omitempty" doc:"SM2 签名值，DER"`
	Timestamp   []byte         `json:"timestamp,omitempty" doc:"签名值的时间戳，RFC 3161，DER"`
	SignedAt    time.Time      `json:"signedAt,omitzero"`
}

func shown(st scan.Status) transaction {
	t := transaction{TID: st.ID, Type: st.Type, State: st.State, Code: st.Private.Code, ScannedAt: st.ScannedAt}
	if st.Result == nil {
		return t
	}
	t.Result = &result{Code: *st.Result}
	if r := st.Signed; r != nil {
		*t.Result = result{scan.OK, &r.Identity, r.Certificate, r.Chain, r.M, r.Signature, r.Timestamp, r.SignedAt}
	}
	return t
}

func (s *Server) get(ctx context.Context, c Caller, in *transactionInput) (*body[transaction], error) {
	st, err := s.Scans.Status(ctx, c.Platform.Code, in.TID, true)
	if err != nil {
		return nil, err
	}
	return &body[transaction]{shown(st)}, nil
}

// qr is the present QR code of a transaction.
type qr struct {
	Text      string    `json:"text"`
	RotatesAt time.Time `json:"rotatesAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (s *Server) qr(ctx context.Context, c Caller, in *transactionInput) (*body[qr], error) {
	q, err := s.Scans.QR(ctx, c.Platform.Code, in.TID)
	if err != nil {
		return nil, err
	}
	return &body[qr]{qr(q)}, nil
}

func (s *Server) cancel(ctx context.Context, c Caller, in *transactionInput) (*body[transaction], error) {
	err := s.Runner.Do(ctx, "platformapi.cancel", func(ctx context.Context, tx work.Tx) error {
		if _, fresh, err := s.Store.TakeNonce(ctx, tx, nonceOf(c, "")); err != nil || !fresh {
			return orReplayed(err)
		}
		_, err := s.Scans.Cancel(ctx, tx, c.Platform.Code, in.TID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.get(ctx, c, in)
}

func orReplayed(err error) error {
	if err != nil {
		return err
	}
	return CodeReplayed
}
