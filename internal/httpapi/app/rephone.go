package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

type phoneFaceInput struct {
	Body struct {
		NewTicket string `json:"newTicket" maxLength:"100" doc:"新手机号，用途 phone-new"`
		NewCode   string `json:"newCode" maxLength:"20"`
		NewPhone  string `json:"newPhone" maxLength:"20"`
	}
}

// NamesBody is what a verified person is and was called, the present name first.
type NamesBody struct {
	Names []NameBody `json:"names"`
}

// NameBody is one name; the owner sees it in full.
type NameBody struct {
	Name  string     `json:"name"`
	From  time.Time  `json:"from"`
	Until *time.Time `json:"until,omitempty" doc:"现用姓名没有"`
}

func (s *Server) rephoneRoutes() {
	route(s, http.MethodPost, "/phone/face", Session, "更换手机号：原手机号不可用时开始人脸核验", func(ctx context.Context, c account.Caller, in *phoneFaceInput) (*Body[FaceBody], error) {
		b := in.Body
		change, check, err := s.Rephone.Begin(ctx, c, b.NewPhone, b.NewTicket, b.NewCode)
		return &Body[FaceBody]{FaceBody{change.ID, checkBody(check)}}, err
	})
	faceRouteOf(s, "/phone/face/{id}/face", Session, "更换手机号：提交人脸视频", func(ctx context.Context, c account.Caller, in *FaceInput, video []byte) (*Body[FaceBody], error) {
		check, err := s.Rephone.Face(ctx, c, in.ID, video)
		return &Body[FaceBody]{FaceBody{in.ID, checkBody(check)}}, err
	})
	route(s, http.MethodGet, "/phone/face/{id}", Session, "更换手机号：查看核验结果；通过后即更换", func(ctx context.Context, c account.Caller, in *idInput) (*Body[FaceBody], error) {
		check, err := s.Rephone.Get(ctx, c, in.ID)
		return &Body[FaceBody]{FaceBody{in.ID, checkBody(check)}}, err
	})
}

func (s *Server) formerNames(ctx context.Context, c account.Caller, _ *Empty) (*Body[NamesBody], error) {
	out := &Body[NamesBody]{NamesBody{Names: []NameBody{}}}
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		p, err := s.Realnames.Person(ctx, tx, c.Account)
		if errors.Is(err, realname.CodeNotVerified) {
			return nil
		}
		if err != nil {
			return err
		}
		former, err := s.Realnames.FormerNames(ctx, tx, c.Account)
		out.Body.Names = []NameBody{{Name: p.Name, From: p.VerifiedAt}}
		for _, n := range former {
			out.Body.Names = append(out.Body.Names, NameBody{Name: n.Name, From: n.From, Until: &n.Until})
		}
		return err
	})
	return out, err
}
