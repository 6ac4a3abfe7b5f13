package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
	"tianweitong/internal/flow/install"
)

// InstallationBody is the installation (安装) of a certificate as its holder sees
// it (docs/installation.md).
type InstallationBody struct {
	ID          string `json:"id"`
	Certificate string `json:"certificate"`
	Kind        string `json:"kind" enum:"install,rekey"`
	State       string `json:"state" enum:"authorising,authorised,requesting,requested,delivered,proved,issuing,installed,void"`
	// OpID is the operation that the phone answers next.
	OpID string `json:"opID,omitempty"`
	// The certificates, DER, once it is installed.
	SignCertificate []byte   `json:"signCertificate,omitempty"`
	EncCertificate  []byte   `json:"encCertificate,omitempty"`
	Chain           [][]byte `json:"chain,omitempty"`
}

func installationBody(p install.Progress) InstallationBody {
	return InstallationBody{
		ID: p.ID, Certificate: p.Certificate, Kind: string(p.Kind), State: string(p.State), OpID: p.Op,
		SignCertificate: p.SignDER, EncCertificate: p.EncDER, Chain: p.Chain,
	}
}

// EnrolmentKeyBody carries the fresh SM2 key of the phone to which the
// key-management centre encrypts the phone's share.
type EnrolmentKeyBody struct {
	EnrolmentKey []byte `json:"enrolmentKey" doc:"65 字节：04‖x‖y"`
}

type installationRequest struct {
	ID   string `path:"id" maxLength:"40"`
	Body EnrolmentKeyBody
}

type enrolmentKeyInput struct{ Body EnrolmentKeyBody }

type deliveryPath struct {
	sealedBody
	ID string `path:"id" maxLength:"40"`
}

// DeliveryBody is one share of an encryption key on its way to the phone, with
// the operation that proves it. It travels only in a sealed reply.
type DeliveryBody struct {
	KeyID     string `json:"keyID"`
	PublicKey []byte `json:"publicKey"`
	ForPhone  []byte `json:"forPhone"`
	OpID      string `json:"opID"`
}

// DeliveriesBody is what a redealing delivers.
type DeliveriesBody struct {
	Deliveries []DeliveryBody `json:"deliveries"`
}

// RedealingBody is a redealing (历史加密密钥恢复) that waits for the PIN.
type RedealingBody struct {
	ID     string   `json:"id"`
	OpID   string   `json:"opID"`
	KeyIDs []string `json:"keyIDs"`
}

func (s *Server) installRoutes() {
	route(s, http.MethodPost, "/certificates/{id}/installation", Session, "开始或继续安装证书", func(ctx context.Context, c account.Caller, in *idInput) (*Body[InstallationBody], error) {
		p, err := s.Installs.Start(ctx, c, in.ID)
		return &Body[InstallationBody]{installationBody(p)}, err
	})
	route(s, http.MethodGet, "/certificates/{id}/installation", Session, "查看证书安装进度", func(ctx context.Context, c account.Caller, in *idInput) (*Body[InstallationBody], error) {
		p, err := s.Installs.Get(ctx, c, in.ID)
		return &Body[InstallationBody]{installationBody(p)}, err
	})
	route(s, http.MethodPost, "/certificates/{id}/installation/request", Session, "安装证书：生成证书申请", func(ctx context.Context, c account.Caller, in *installationRequest) (*Body[InstallationBody], error) {
		p, err := s.Installs.Get(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		p.Installation, err = s.Installs.Request(ctx, holder(c), p.ID, in.Body.EnrolmentKey)
		return &Body[InstallationBody]{installationBody(p)}, err
	})
	sealedRoute(s, http.MethodPost, "/certificates/{id}/installation/delivery", Session, "安装证书：取得加密密钥分量", func(ctx context.Context, c account.Caller, p *deliveryPath, _ Empty) (DeliveryBody, error) {
		i, err := s.Installs.Get(ctx, c, p.ID)
		if err != nil {
			return DeliveryBody{}, err
		}
		d, err := s.Installs.Deliver(ctx, holder(c), i.ID)
		return deliveryBody(d), err
	})
	route(s, http.MethodPost, "/redealings", Session, "恢复历史加密密钥：校验 PIN 码", func(ctx context.Context, c account.Caller, in *enrolmentKeyInput) (*Body[RedealingBody], error) {
		r, err := s.Installs.Redeal(ctx, holder(c), in.Body.EnrolmentKey)
		out := RedealingBody{ID: r.ID, OpID: r.Op, KeyIDs: []string{}}
		for _, k := range r.Keys {
			out.KeyIDs = append(out.KeyIDs, k.Key)
		}
		return &Body[RedealingBody]{out}, err
	})
	sealedRoute(s, http.MethodPost, "/redealings/{id}/delivery", Session, "恢复历史加密密钥：取得密钥分量", func(ctx context.Context, c account.Caller, p *deliveryPath, _ Empty) (DeliveriesBody, error) {
		all, err := s.Installs.DeliverRedealt(ctx, holder(c), p.ID)
		out := DeliveriesBody{Deliveries: []DeliveryBody{}}
		for _, d := range all {
			out.Deliveries = append(out.Deliveries, deliveryBody(d))
		}
		return out, err
	})
}

func deliveryBody(d install.Delivery) DeliveryBody {
	return DeliveryBody{KeyID: d.KeyID, PublicKey: d.PublicKey, ForPhone: d.ForPhone, OpID: d.Op}
}
