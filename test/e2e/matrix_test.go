package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/internal/office"
)

// The authorisation matrix: every route of the app's and the console's API,
// against everybody who may ask. The rows are the tables below; what a row says
// of each who asks is in its rule.

// reach is what came of asking: the route's own business answered, or what kept
// the asker away from it.
type reach string

const (
	in            reach = "in"
	login         reach = "login_required"
	lost          reach = "identity_lost"
	notChief      reach = "not_administrator"
	noApplication reach = "enterprise_application_unknown"
	noSession     reach = "console_login_required"
	halfway       reach = "console_second_factor_required"
	noRole        reach = "console_forbidden"
)

// What keeps somebody away at each door; all other answers are the route's own.
var (
	keptAtApp     = []reach{login, lost, notChief, noApplication}
	keptAtConsole = []reach{noSession, halfway, noRole}
)

func (a answer) reach(kept []reach) reach {
	if r := reach(a.code); slices.Contains(kept, r) {
		return r
	}
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusInternalServerError {
		return reach(fmt.Sprintf("%d %s", a.status, a.code)) // no row expects these
	}
	return in
}

// Who asks at the app's door. All but nobody and stranger have to do with
// enterprises: chief administers the one whose things are asked for, founder did
// before him and is a member since, former was removed, rival administers another.
const (
	nobody, stranger, rival, former = "nobody", "another user", "another enterprise's administrator", "former member"
	member, founder, chief          = "member", "former administrator", "administrator"
)

// rule is what each who asks meets.
type rule map[string]reach

func everyone(nobodyMeets reach, outsiders, members, chiefMeets reach) rule {
	return rule{nobody: nobodyMeets, stranger: outsiders, rival: outsiders, former: outsiders, member: members, founder: members, chief: chiefMeets}
}

var (
	openDoor    = everyone(in, in, in, in)                          // no session is looked at
	own         = everyone(login, in, in, in)                       // the caller's own things; another's are in foreign_test.go
	ofMembers   = everyone(login, lost, in, in)                     // an enterprise's, for all of its members
	ofChief     = everyone(login, lost, notChief, in)               // an enterprise's, for its administrator
	application = everyone(login, noApplication, noApplication, in) // an application of the administrator's
	facts       = `{"name":"测试更名有限公司","code":"91999999MA0TE5T021","legalName":"测试甲","legalIDNumber":"999999199001010016"}`
)

// row is a route's line of the matrix. body passes the document's schema, so that
// the question of who asks is reached; it is refused for its content where the
// asker is let in, or it does no harm. Routes with a last change what the others
// ask for: they come at the end, in that order.
type row struct {
	rule rule
	body string
	last int
}

// appMatrix has a row for every route of the app's API.
var appMatrix = map[string]row{
	"GET /app/v1/environment":        {rule: openDoor},
	"GET /app/v1/module":             {rule: openDoor},
	"POST /app/v1/captcha":           {rule: openDoor},
	"POST /app/v1/invitations/look":  {rule: openDoor, body: `{"token":"x"}`},
	"POST /app/v1/password/reset":    {rule: openDoor},
	"POST /app/v1/sessions":          {rule: openDoor},
	"POST /app/v1/sessions/password": {rule: openDoor},
	"POST /app/v1/codes":             {rule: own, body: `{"purpose":"realname"}`},

	"GET /app/v1/certificates":                             {rule: own},
	"GET /app/v1/certificates/counts":                      {rule: own},
	"GET /app/v1/certificates/{id}":                        {rule: own},
	"POST /app/v1/certificates/{id}/check":                 {rule: own},
	"GET /app/v1/certificates/{id}/installation":           {rule: own},
	"POST /app/v1/certificates/{id}/installation":          {rule: own},
	"POST /app/v1/certificates/{id}/installation/delivery": {rule: own},
	"POST /app/v1/certificates/{id}/installation/request":  {rule: own},
	"POST /app/v1/certificates/{id}/revocation":            {rule: own},
	"POST /app/v1/enrolments":                              {rule: own},
	"POST /app/v1/enrolments/{id}/key":                     {rule: own},
	"GET /app/v1/events":                                   {rule: own},
	"GET /app/v1/identities":                               {rule: own},
	"GET /app/v1/institutions":                             {rule: own},
	"GET /app/v1/me":                                       {rule: own},
	"GET /app/v1/me/closure":                               {rule: own},
	"POST /app/v1/me/closure":                              {rule: own},
	"GET /app/v1/me/devices":                               {rule: own},
	"POST /app/v1/me/devices/signout-others":               {rule: own},
	"DELETE /app/v1/me/devices/{id}":                       {rule: own},
	"GET /app/v1/me/names":                                 {rule: own},
	"POST /app/v1/me/password":                             {rule: own},
	"POST /app/v1/me/phone":                                {rule: own},
	"GET /app/v1/notices":                                  {rule: own},
	"POST /app/v1/notices/read":                            {rule: own},
	"GET /app/v1/notices/settings":                         {rule: own},
	"PUT /app/v1/notices/settings":                         {rule: own},
	"POST /app/v1/notices/{id}/read":                       {rule: own},
	"POST /app/v1/operations/{opID}/answer":                {rule: own},
	"POST /app/v1/operations/{opID}/nonce":                 {rule: own},
	"GET /app/v1/orders":                                   {rule: own},
	"POST /app/v1/orders":                                  {rule: own},
	"GET /app/v1/orders/{id}":                              {rule: own},
	"POST /app/v1/orders/{id}/cancel":                      {rule: own},
	"POST /app/v1/orders/{id}/lines/{line}/refund":         {rule: own},
	"POST /app/v1/orders/{id}/payments":                    {rule: own},
	"POST /app/v1/phone/face":                              {rule: own},
	"GET /app/v1/phone/face/{id}":                          {rule: own},
	"PUT /app/v1/phone/face/{id}/face":                     {rule: own},
	"GET /app/v1/pin":                                      {rule: own},
	"POST /app/v1/pin/change":                              {rule: own},
	"POST /app/v1/pin/change/{id}/flip":                    {rule: own},
	"POST /app/v1/pin/change/{id}/refresh":                 {rule: own},
	"POST /app/v1/pin/face":                                {rule: own},
	"GET /app/v1/pin/face/{id}":                            {rule: own},
	"PUT /app/v1/pin/face/{id}/face":                       {rule: own},
	"GET /app/v1/pin/set":                                  {rule: own},
	"POST /app/v1/pin/setup":                               {rule: own},
	"POST /app/v1/pin/setup/{id}/proof":                    {rule: own},
	"GET /app/v1/platforms":                                {rule: own},
	"GET /app/v1/platforms/{code}":                         {rule: own},
	"POST /app/v1/realname":                                {rule: own},
	"GET /app/v1/realname/{id}":                            {rule: own},
	"PUT /app/v1/realname/{id}/face":                       {rule: own},
	"POST /app/v1/recoveries":                              {rule: own},
	"GET /app/v1/recoveries/{id}":                          {rule: own},
	"POST /app/v1/recoveries/{id}/confirm":                 {rule: own},
	"PUT /app/v1/recoveries/{id}/face":                     {rule: own},
	"POST /app/v1/recoveries/{id}/proof":                   {rule: own},
	"POST /app/v1/recoveries/{id}/stop":                    {rule: own},
	"POST /app/v1/redealings":                              {rule: own},
	"POST /app/v1/redealings/{id}/delivery":                {rule: own},
	"GET /app/v1/regions":                                  {rule: own},
	"POST /app/v1/scans":                                   {rule: own},
	"GET /app/v1/scans/open":                               {rule: own},
	"GET /app/v1/scans/{id}":                               {rule: own},
	"POST /app/v1/scans/{id}/confirm":                      {rule: own},
	"POST /app/v1/scans/{id}/reject":                       {rule: own},
	"DELETE /app/v1/sessions/current":                      {rule: own, last: 3},
	"GET /app/v1/todos":                                    {rule: own},
	"GET /app/v1/usage":                                    {rule: own},
	"GET /app/v1/usage/{id}":                               {rule: own},
	"POST /app/v1/wishes":                                  {rule: own},

	"GET /app/v1/enterprise-applications":                      {rule: own},
	"POST /app/v1/enterprise-applications":                     {rule: own},
	"DELETE /app/v1/enterprise-applications/{id}":              {rule: application, last: 2},
	"GET /app/v1/enterprise-applications/{id}":                 {rule: application},
	"PUT /app/v1/enterprise-applications/{id}":                 {rule: application, body: facts},
	"POST /app/v1/enterprise-applications/{id}/bank":           {rule: application, body: `{"phone":"13900000000","bankCard":"6222020000000000000","ticket":"x","code":"000000"}`},
	"POST /app/v1/enterprise-applications/{id}/check":          {rule: application},
	"GET /app/v1/enterprise-applications/{id}/letter.pdf":      {rule: application},
	"POST /app/v1/enterprise-applications/{id}/phone":          {rule: application, body: `{"phone":"13900000000","ticket":"x","code":"000000"}`},
	"GET /app/v1/enterprise-applications/{id}/pictures/{kind}": {rule: application},
	"PUT /app/v1/enterprise-applications/{id}/pictures/{kind}": {rule: application, body: "no picture"},
	"POST /app/v1/enterprise-applications/{id}/submit":         {rule: application},

	"GET /app/v1/enterprises/requests":                              {rule: own},
	"DELETE /app/v1/enterprises/requests/{request}":                 {rule: own},
	"GET /app/v1/enterprises/search":                                {rule: own},
	"POST /app/v1/enterprises/{id}/requests":                        {rule: own, body: `{"administratorName":"测试别人","administratorPhone":"13900000000"}`},
	"GET /app/v1/invitations":                                       {rule: own},
	"POST /app/v1/invitations/{invitation}/accept":                  {rule: own},
	"POST /app/v1/invitations/{invitation}/decline":                 {rule: own},
	"GET /app/v1/enterprises/{id}":                                  {rule: ofMembers},
	"POST /app/v1/enterprises/{id}/leave":                           {rule: ofMembers, last: 1},
	"GET /app/v1/enterprises/{id}/invitations":                      {rule: ofChief},
	"POST /app/v1/enterprises/{id}/invitations":                     {rule: ofChief, body: `{"name":"测试新人","phone":"13900000000"}`},
	"DELETE /app/v1/enterprises/{id}/invitations/{invitation}":      {rule: ofChief},
	"POST /app/v1/enterprises/{id}/invitations/{invitation}/resend": {rule: ofChief},
	"GET /app/v1/enterprises/{id}/members":                          {rule: ofChief},
	"DELETE /app/v1/enterprises/{id}/members/{member}":              {rule: ofChief, body: `{"reason":"测试移除"}`},
	"GET /app/v1/enterprises/{id}/requests":                         {rule: ofChief},
	"POST /app/v1/enterprises/{id}/requests/{request}/accept":       {rule: ofChief},
	"POST /app/v1/enterprises/{id}/requests/{request}/refuse":       {rule: ofChief, body: `{"reason":"测试拒绝"}`},
	"POST /app/v1/enterprises/{id}/transfer":                        {rule: ofChief, body: `{"member":"x","ticket":"x","code":"000000"}`},
	"POST /app/v1/enterprises/{id}/transfer/pin":                    {rule: ofChief, body: `{"member":"x"}`},
}

// fresh is an id that nobody has.
const fresh = "0123456789abcdef0123456789abcdef"

// people is everybody who asks at the app's door, and what is asked for.
type cast struct {
	*world
	persons                 map[string]*journey.Person
	devices                 map[string]*device
	enterprise, application string
}

// joins lets a person ask to join and the administrator agree; it gives the
// membership's id.
func (w *world) joins(p, administrator *journey.Person, enterprise string) string {
	w.Helper()
	if err := w.AskToJoin(w.Context(), p, enterprise, administrator.Name, administrator.Number); err != nil {
		w.Fatal(err)
	}
	if err := w.Decide(w.Context(), administrator, enterprise, ""); err != nil {
		w.Fatal(err)
	}
	all, err := w.Members(w.Context(), administrator, enterprise)
	if err != nil || len(all) == 0 {
		w.Fatalf("%d members, %v", len(all), err)
	}
	return all[len(all)-1].ID // the last who joined
}

func newCast(t *testing.T) *cast {
	t.Helper()
	c := &cast{world: sandbox(t), persons: map[string]*journey.Person{}, devices: map[string]*device{}}
	for _, who := range []string{stranger, rival, former, member, founder, chief} {
		c.persons[who] = c.verified()
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made := func(p *journey.Person) *journey.Enterprise {
		t.Helper()
		e, err := c.NewEnterprise()
		must(err)
		must(c.ByPhone(t.Context(), p, e))
		return e
	}
	made(c.persons[rival])
	administrator := c.persons[founder]
	c.enterprise = made(administrator).ID
	c.joins(c.persons[member], administrator, c.enterprise)
	gone := c.joins(c.persons[former], administrator, c.enterprise)
	heir := c.joins(c.persons[chief], administrator, c.enterprise)
	must(administrator.Ask(t.Context(), http.MethodDelete, "/enterprises/"+c.enterprise+"/members/"+gone, map[string]string{"reason": "测试移除"}, nil))
	must(c.Transfer(t.Context(), administrator, c.enterprise, heir))
	e, err := c.NewEnterprise()
	must(err)
	applied, err := c.Apply(t.Context(), c.persons[chief], e)
	must(err)
	c.application = applied.ID
	for who, p := range c.persons {
		c.devices[who] = c.deviceOf(p.Phone)
	}
	c.devices[nobody] = &device{T: t, server: c.Server}
	return c
}

// address is a route's path with the things that are asked for.
func (c *cast) address(path string) string {
	id := fresh
	switch {
	case strings.HasPrefix(path, "/app/v1/enterprises/{id}"):
		id = c.enterprise
	case strings.HasPrefix(path, "/app/v1/enterprise-applications/"):
		id = c.application
	}
	path = strings.NewReplacer("{id}", id, "{kind}", "licence", "{code}", c.client.Code()).Replace(path)
	return parameter.ReplaceAllString(path, fresh)
}

func (c *cast) ask(who, route string, r row, query string) answer {
	c.Helper()
	method, path, _ := strings.Cut(route, " ")
	body, kind := r.body, contentType(path)
	if body == "" {
		body = "{}"
	}
	if strings.HasSuffix(path, "/pictures/{kind}") {
		kind = "image/jpeg"
	}
	return c.devices[who].do(method, c.address(path)+query, kind, []byte(body))
}

func TestEveryoneAtTheAppMeetsWhatTheMatrixSays(t *testing.T) {
	c := newCast(t)
	all := routes(t, c.Server)
	compareRows(t, all, slices.Collect(maps.Keys(appMatrix)))
	slices.SortStableFunc(all, func(a, b string) int { return appMatrix[a].last - appMatrix[b].last })
	for _, route := range all {
		r, ok := appMatrix[route]
		if !ok {
			continue
		}
		for _, who := range []string{nobody, stranger, rival, former, member, founder, chief} {
			want := r.rule[who]
			if route == "GET /app/v1/events" && want == in {
				continue // it does not end; who is let in hears in events_test.go
			}
			// As the enterprise: who is no member is lost at every door but the open ones.
			as := want
			if who == stranger || who == rival || who == former {
				if r.rule[nobody] == login {
					as = lost
				}
			}
			if r.last == 0 {
				if got := c.ask(who, route, r, "?as="+c.enterprise); got.reach(keptAtApp) != as {
					t.Errorf("%s as the enterprise, by %s: %s, want %s (%s)", route, who, got.reach(keptAtApp), as, got.body)
				}
			}
			if got := c.ask(who, route, r, ""); got.reach(keptAtApp) != want {
				t.Errorf("%s by %s: %s, want %s (%s)", route, who, got.reach(keptAtApp), want, got.body)
			}
		}
	}
}

// compareRows holds a matrix to the routes: neither has what the other has not.
func compareRows(t *testing.T, routes, rows []string) {
	t.Helper()
	if len(routes) < 40 {
		t.Errorf("only %d routes: the document was not read", len(routes))
	}
	for _, r := range routes {
		if !slices.Contains(rows, r) {
			t.Errorf("%s has no row in the matrix: say who may reach it", r)
		}
	}
	for _, r := range rows {
		if !slices.Contains(routes, r) {
			t.Errorf("the matrix has a row for %s, which is no route", r)
		}
	}
}

// consoleMatrix says who reaches each route of the console: public, half (any
// session), full (any officer), or officers with one of some roles.
var consoleMatrix = map[string]string{
	"POST /console/v1/session":                     "public",
	"GET /console/v1/session":                      "half",
	"DELETE /console/v1/session":                   "half",
	"POST /console/v1/session/passkey/begin":       "half",
	"POST /console/v1/session/passkey/finish":      "half",
	"POST /console/v1/session/password":            "half",
	"POST /console/v1/session/totp":                "half",
	"POST /console/v1/factors/passkey/begin":       "half",
	"POST /console/v1/factors/passkey/finish":      "half",
	"POST /console/v1/factors/totp/begin":          "half",
	"POST /console/v1/factors/totp/finish":         "half",
	"GET /console/v1/factors":                      "full",
	"DELETE /console/v1/factors/{id}":              "full",
	"GET /console/v1/stats":                        "full",
	"GET /console/v1/reviews":                      "verifier",
	"GET /console/v1/reviews/{id}":                 "verifier",
	"GET /console/v1/reviews/{id}/pictures/{kind}": "verifier",
	"POST /console/v1/reviews/{id}/approve":        "verifier",
	"POST /console/v1/reviews/{id}/claim":          "verifier",
	"POST /console/v1/reviews/{id}/refuse":         "verifier",
	"POST /console/v1/reviews/{id}/release":        "verifier",
	"POST /console/v1/reviews/{id}/second":         "verifier",
	"POST /console/v1/accounts/search":             "operator verifier",
	"GET /console/v1/accounts/{id}":                "operator verifier",
	"GET /console/v1/enterprises":                  "operator verifier",
	"GET /console/v1/enterprises/{id}":             "operator verifier",
	"POST /console/v1/reveal":                      "operator verifier",
	"POST /console/v1/accounts/{id}/sessions/end":  "operator",
	"POST /console/v1/certificates/{id}/freeze":    "operator",
	"POST /console/v1/certificates/{id}/unfreeze":  "operator",
	"GET /console/v1/limits":                       "operator",
	"GET /console/v1/callbacks":                    "operator",
	"POST /console/v1/callbacks/{id}/replay":       "operator",
	"GET /console/v1/audit":                        "auditor super",
	"GET /console/v1/audit/export":                 "auditor super",
	"GET /console/v1/audit/verify":                 "auditor super",
	"POST /console/v1/audit/verify":                "auditor super",
	"GET /console/v1/officers":                     "super",
	"POST /console/v1/officers":                    "super",
	"POST /console/v1/officers/{id}/disable":       "super",
	"POST /console/v1/officers/{id}/enable":        "super",
	"POST /console/v1/officers/{id}/reset-factor":  "super",
	"POST /console/v1/officers/{id}/roles":         "super",
	"GET /console/v1/proposals":                    "super",
	"DELETE /console/v1/proposals/{id}":            "super",
	"POST /console/v1/proposals/{id}/approve":      "super",
	"POST /console/v1/proposals/{id}/refuse":       "super",
}

// expected is what a row of the console says to somebody: nobody, half, or a role.
func expected(rule, who string) reach {
	switch {
	case rule == "public":
		return in
	case who == nobody:
		return noSession
	case rule == "half":
		return in
	case who == "half":
		return halfway
	case rule == "full" || slices.Contains(strings.Fields(rule), who):
		return in
	}
	return noRole
}

const officersPassword = "Sieben-Zwerge-47"

// officer signs an officer with a role in, and stops before the second factor if
// it is half.
func (w *world) officer(role office.Role) (full, half *desk) {
	w.Helper()
	address := w.house.URLs().Console
	once, err := w.house.NewOfficer(w.Context(), office.Newcomer{Name: "matrix-" + string(role), DisplayName: "测试" + string(role), Phone: fmt.Sprintf("1990000000%d", slices.Index(office.Roles(), role)), Roles: []office.Role{role}})
	if err != nil {
		w.Fatal(err)
	}
	d := newDesk(w.T, address)
	name := "matrix-" + string(role)
	d.ok("POST", "/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, once))
	d.ok("POST", "/session/password", `{"new":"`+officersPassword+`"}`)
	key := d.ok("POST", "/factors/totp/begin", `{}`)["secret"].(string)
	code, err := totp.GenerateCode(key, w.house.Clock.Now())
	if err != nil {
		w.Fatal(err)
	}
	d.ok("POST", "/factors/totp/finish", `{"code":"`+code+`"}`)
	half = newDesk(w.T, address)
	half.ok("POST", "/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, officersPassword))
	return d, half
}

// documented lists the routes of a door whose document is not served.
func documented(t *testing.T, name string) []string {
	t.Helper()
	all, err := app.OpenAPI("test")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	path := ""
	lines := regexp.MustCompile(`(?m)^  (/\S+):$|^    (get|post|put|patch|delete):$`)
	_, text, _ := strings.Cut(string(all[name]), "\npaths:\n")
	for _, m := range lines.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			path = m[1]
		} else {
			out = append(out, strings.ToUpper(m[2])+" "+path)
		}
	}
	return out
}

func TestEveryoneAtTheConsoleMeetsWhatTheMatrixSays(t *testing.T) {
	w := sandbox(t)
	all := documented(t, "console")
	compareRows(t, all, slices.Collect(maps.Keys(consoleMatrix)))
	desks := map[string]*desk{nobody: newDesk(t, w.house.URLs().Console)}
	for _, role := range office.Roles() {
		full, half := w.officer(role)
		desks[string(role)], desks["half"] = full, half
	}
	// Signing out comes last: nobody is anybody afterwards.
	const out = "DELETE /console/v1/session"
	all = append(slices.DeleteFunc(all, func(route string) bool { return route == out }), out)
	for _, route := range all {
		rule, ok := consoleMatrix[route]
		if !ok {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{kind}", "letter", "{id}", fresh).Replace(path)
		for who, d := range desks {
			body := "{}"
			if method == http.MethodGet {
				body = ""
			}
			res, problem := d.send(method, path, body)
			code, _ := problem["code"].(string)
			a := answer{status: res.StatusCode, code: code}
			if want := expected(rule, who); a.reach(keptAtConsole) != want {
				t.Errorf("%s by %s: %s, want %s (%d %v)", route, who, a.reach(keptAtConsole), want, a.status, problem)
			}
		}
	}
	for who, d := range desks {
		if res, _ := d.send("GET", "/console/v1/session", ""); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s is still signed in: %d", who, res.StatusCode)
		}
	}
}
