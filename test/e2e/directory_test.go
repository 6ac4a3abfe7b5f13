package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDirectoryAndTodosFollowThePerson: rows 2.6.1 and 待办 without screens, from a
// stranger to a holder.
func TestDirectoryAndTodosFollowThePerson(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p := w.stranger()
	if err := w.Register(ctx, p); err != nil {
		t.Fatal(err)
	}
	d := w.deviceOf(p.Phone)
	type standing struct {
		State        string
		Certificates int
		Until        time.Time
	}
	type entry struct {
		ID, Order, InstitutionName, SerialTail, State, Roaming, Action string
		Until                                                          time.Time
	}
	code := w.client.Code()
	is := func(state, action, todos string) (out entry) {
		t.Helper()
		var page struct {
			Platforms []struct {
				Code, Region string
				Mine         standing
			}
		}
		d.do(http.MethodGet, "/app/v1/platforms", "", nil).into(t, &page)
		var detail struct {
			Mine         standing
			Certificates []entry
		}
		d.do(http.MethodGet, "/app/v1/platforms/"+code, "", nil).into(t, &detail)
		if len(page.Platforms) == 0 || page.Platforms[0].Code != code || page.Platforms[0].Mine != detail.Mine || detail.Mine.State != state {
			t.Fatalf("%+v, %+v, want %s", page, detail, state)
		}
		if detail.Mine.Certificates != len(detail.Certificates) {
			t.Fatalf("%+v", detail)
		}
		if len(detail.Certificates) > 0 {
			out = detail.Certificates[0]
		}
		if out.Action != action || action != "" && out.InstitutionName == "" {
			t.Fatalf("%+v, want %s", out, action)
		}
		var list struct {
			Todos []struct{ Kind string }
		}
		d.do(http.MethodGet, "/app/v1/todos", "", nil).into(t, &list)
		var kinds []string
		for _, x := range list.Todos {
			kinds = append(kinds, x.Kind)
		}
		if got := strings.Join(kinds, " "); got != todos {
			t.Fatalf("to do: %q, want %q", got, todos)
		}
		return out
	}
	is("none", "", "realname")
	if err := w.Verify(ctx, p); err != nil {
		t.Fatal(err)
	}
	is("none", "", "set_pin")
	if err := w.SetPIN(ctx, p); err != nil {
		t.Fatal(err)
	}
	o, err := p.Phone.Buy(ctx, institution(t, d), 1, code)
	if err != nil {
		t.Fatal(err)
	}
	if e := is("to_pay", "pay", "pay"); e.Order != o.ID {
		t.Errorf("%+v", e)
	}
	cert, err := w.PayFor(ctx, p, o, "pay")
	if err != nil {
		t.Fatal(err)
	}
	if e := is("to_install", "install", "install"); e.ID != cert {
		t.Errorf("%+v", e)
	}
	if _, err := p.Phone.Install(ctx, cert, p.PIN); err != nil {
		t.Fatal(err)
	}
	if e := is("usable", "scan", ""); e.Roaming != "open" || len(e.SerialTail) != 4 || e.Until.IsZero() {
		t.Errorf("%+v", e)
	}
	var counts struct {
		Total  int
		Counts map[string]int
	}
	d.do(http.MethodGet, "/app/v1/certificates/counts", "", nil).into(t, &counts)
	if counts.Total != 1 || counts.Counts["valid"] != 1 {
		t.Errorf("%+v", counts)
	}
	var env struct {
		FaceUpload bool
		Support    struct{ Hotline, Hours, Website string }
	}
	d.do(http.MethodGet, "/app/v1/environment", "", nil).into(t, &env)
	if !env.FaceUpload || env.Support.Hotline == "" || env.Support.Hours == "" || env.Support.Website == "" {
		t.Errorf("%+v", env)
	}
}

// institution is the first CA on offer.
func institution(t *testing.T, d *device) string {
	t.Helper()
	var all struct{ Institutions []struct{ Code string } }
	d.do(http.MethodGet, "/app/v1/institutions", "", nil).into(t, &all)
	if len(all.Institutions) == 0 {
		t.Fatal("no institution sells")
	}
	return all.Institutions[0].Code
}
