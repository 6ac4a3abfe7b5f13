package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/config"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/work"
)

// SeedSize is how much Seed makes up.
type SeedSize struct{ Accounts, Enterprises int }

// The bounds of a SeedSize: the numbers must not run out.
const (
	maxSeedAccounts    = 1_000_000
	maxSeedEnterprises = 100_000
)

// SeedPhone is the number of the seeded account i, counted from 0.
func SeedPhone(i int) string { return fmt.Sprintf("198%08d", i) }

// Seed fills a sandbox's database with verified people who are plainly made up,
// each with a device, a session and notices, and with enterprises and their
// members: for measuring. The same size makes the same people. It is an error
// outside the sandbox, and where it was done before.
func Seed(ctx context.Context, c config.Config, o Options, size SeedSize, progress func(what string, done, of int)) error {
	if c.Mode != config.Sandbox {
		return errors.New("made-up people belong into a sandbox alone")
	}
	if size.Accounts < 1 || size.Accounts > maxSeedAccounts || size.Enterprises < 0 || size.Enterprises > min(maxSeedEnterprises, size.Accounts) {
		return fmt.Errorf("there can be 1 to %d accounts and at most %d enterprises, no more than accounts", maxSeedAccounts, maxSeedEnterprises)
	}
	a, err := prepared(ctx, c, o)
	if err != nil {
		return err
	}
	defer a.Close()
	return (&seeder{App: a, SeedSize: size, now: a.Clock.Now(), progress: progress}).fill(ctx)
}

type seeder struct {
	*App
	SeedSize
	now      time.Time
	progress func(what string, done, of int)
}

func (s *seeder) fill(ctx context.Context) error {
	accounts := people.Accounts(s.store)
	err := s.store.View(ctx, func(ctx context.Context, tx work.Tx) error {
		_, err := accounts.ByPhone(ctx, tx, s.phoneHash(0))
		return err
	})
	if err == nil {
		return errors.New("the made-up people are there already: begin with an empty folder or database to have others")
	}
	if !errors.Is(err, work.ErrNotFound) {
		return err
	}
	if err := s.each(ctx, "accounts", s.Accounts, s.account); err != nil || s.Enterprises == 0 {
		return err
	}
	if err := s.each(ctx, "enterprises", s.Enterprises, s.enterprise); err != nil {
		return err
	}
	return s.each(ctx, "members", s.Accounts, s.member)
}

const (
	// seedBatch is how many rows of a kind one transaction writes.
	seedBatch = 500
	// seedWriters write side by side on PostgreSQL, where most of the time goes to
	// waiting for answers; SQLite has one writer.
	seedWriters = 4
)

// each makes n of a kind in batches.
func (s *seeder) each(ctx context.Context, what string, n int, f func(context.Context, work.Tx, int) error) error {
	writers := 1
	if s.store.Engine() == store.Postgres {
		writers = seedWriters
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	batches := make(chan int)
	var telling sync.Mutex
	done := 0
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for from := range batches {
				until := min(from+seedBatch, n)
				if err := s.batch(ctx, what, from, until, f); err != nil {
					stop(err)
					continue
				}
				telling.Lock()
				done += until - from
				s.progress(what, done, n)
				telling.Unlock()
			}
		})
	}
	for from := 0; from < n && ctx.Err() == nil; from += seedBatch {
		batches <- from
	}
	close(batches)
	all.Wait()
	return context.Cause(ctx)
}

func (s *seeder) batch(ctx context.Context, what string, from, until int, f func(context.Context, work.Tx, int) error) error {
	return s.store.Do(ctx, "seed."+what, func(ctx context.Context, tx work.Tx) error {
		for i := from; i < until; i++ {
			if err := f(ctx, tx, i); err != nil {
				return fmt.Errorf("seeding %s %d: %w", what, i, err)
			}
		}
		return nil
	})
}

// id is an identifier that sorts by its time, as package id's do.
func (s *seeder) id(kind byte, at time.Time, i int) string {
	return fmt.Sprintf("%012x7%02x08%015x", at.UnixMilli(), kind, i)
}

// at spreads what was made over the last year, the last ones today.
func (s *seeder) at(i, of int) time.Time {
	return s.now.Add(-365 * 24 * time.Hour * time.Duration(of-i) / time.Duration(of)).Truncate(time.Millisecond)
}

func (s *seeder) accountID(i int) string { return s.id('a', s.at(i, s.Accounts), i) }

func (s *seeder) phoneHash(i int) []byte { return s.store.Box.Hash("phone", []byte(SeedPhone(i))) }

// account makes person i: the account with one device and its session, the
// verified person, and notices.
func (s *seeder) account(ctx context.Context, tx work.Tx, i int) error {
	at, id, device := s.at(i, s.Accounts), s.accountID(i), seedHash("device", i)
	accounts, persons := people.Accounts(s.store), people.Realnames(s.store)
	if _, err := accounts.Register(ctx, tx, account.Account{ID: id, Phone: SeedPhone(i), PhoneHash: s.phoneHash(i), Device: device, CreatedAt: at}); err != nil {
		return err
	}
	for _, g := range agreements() {
		if err := accounts.Agree(ctx, tx, id, g, at); err != nil {
			return err
		}
	}
	// The device's key is nobody's: whoever signs in brings a device of his own.
	d := account.StoredDevice{Account: id, Thumbprint: device, PublicKey: []byte(device), Label: "样例设备", Network: []byte(device[:32]), SeenAt: at}
	if err := accounts.PutDevice(ctx, tx, d); err != nil {
		return err
	}
	if err := accounts.StampBound(ctx, tx, id, device, at); err != nil {
		return err
	}
	session := account.StoredSession{ID: s.id('s', at, i), Account: id, Device: device, TokenHash: []byte(seedHash("session", i)), Nonce: []byte(device[:32]),
		CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(account.Absolute)}
	if err := accounts.PutSession(ctx, tx, session); err != nil {
		return err
	}
	number := seedIDNumber(i)
	fresh, err := persons.AddPerson(ctx, tx, realname.Person{
		Account: id, Holder: s.id('h', at, i), Name: seedName(i), IDType: realname.IDResident, IDNumber: number,
		IDHash: s.store.Box.Hash("id-number", []byte(realname.IDResident+":"+number)), VerifiedAt: at,
	})
	if err != nil {
		return err
	}
	if !fresh {
		return errors.New("the person is somebody already")
	}
	for n, title := range []string{"欢迎使用天威通", "您已完成个人实名"} {
		_, err := people.Notices(s.store).Add(ctx, tx, notice.Notice{
			ID: s.id(byte('0'+n), at, i), Account: id, Kind: "account.welcome", Title: title, Body: "这是压测用的样例通知，不是真实的业务。", PostedAt: at,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) enterpriseID(i int) string { return s.id('e', s.at(i, s.Enterprises), i) }

// enterprise makes enterprise i; account i is its representative and
// administrator.
func (s *seeder) enterprise(ctx context.Context, tx work.Tx, i int) error {
	at, number := s.at(i, s.Enterprises), seedIDNumber(i)
	e := enterprise.Enterprise{
		ID: s.enterpriseID(i), Name: seedEnterpriseName(i), Code: seedCode(i), LegalName: seedName(i), LegalIDNumber: number,
		LegalIDHash: s.store.Box.Hash("legal-id", []byte(realname.IDResident+":"+number)), Administrator: s.accountID(i),
		Method: enterprise.MethodPhone, VerifiedAt: at, CreatedAt: at, Facts: 1, Version: 1,
	}
	fresh, err := people.Enterprises(s.store).AddEnterprise(ctx, tx, e, "")
	if err == nil && !fresh {
		err = errors.New("the code is somebody's already")
	}
	if err != nil {
		return err
	}
	return s.join(ctx, tx, i, i, enterprise.ViaCreated)
}

// The first seedLarge enterprises are large: of the accounts one in seedOften
// belongs to one of them, besides the one of all that everybody belongs to.
const (
	seedLarge = 50
	seedOften = 4
)

// member makes account i a member.
func (s *seeder) member(ctx context.Context, tx work.Tx, i int) error {
	if err := s.join(ctx, tx, i%s.Enterprises, i, enterprise.ViaApplied); err != nil || i%seedOften != 0 {
		return err
	}
	return s.join(ctx, tx, i/seedOften%min(seedLarge, s.Enterprises), i, enterprise.ViaInvited)
}

// join adds a member unless he is one.
func (s *seeder) join(ctx context.Context, tx work.Tx, e, i int, via string) error {
	members, kind := people.Members(s.store), map[string]byte{enterprise.ViaCreated: 'c', enterprise.ViaApplied: 'm', enterprise.ViaInvited: 'i'}[via]
	at := s.at(max(i, e), s.Accounts)
	m := enterprise.Member{ID: s.id(kind, at, i), Enterprise: s.enterpriseID(e), Account: s.accountID(i), JoinedAt: at, Via: via}
	fresh, err := members.AddMember(ctx, tx, m)
	if err != nil || !fresh {
		return err
	}
	// What members are searched by: the beginnings of their names (docs/members.md).
	var terms [][]byte
	for n := range []rune(seedName(i)) {
		terms = append(terms, s.store.Box.Hash("member-name", []byte(m.Enterprise+":"+string([]rune(seedName(i))[:n+1]))))
	}
	return members.PutTerms(ctx, tx, m.ID, terms)
}

func seedHash(what string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "tianweitong/seed/%s/%d", what, i))
	return hex.EncodeToString(sum[:])
}

// seedName is one of 484 names that nobody has: 测甲子.
func seedName(i int) string {
	given := []rune("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥")
	return "测" + string([]rune{given[i%len(given)], given[i/len(given)%len(given)]})
}

// seedEnterpriseName is a name that nobody registers: 样例建设〇〇〇四二有限公司.
func seedEnterpriseName(i int) string {
	trades := []string{"建设", "市政", "环保", "水利", "园林", "机电", "勘察", "监理"}
	number := strings.Map(func(r rune) rune { return []rune("〇一二三四五六七八九")[r-'0'] }, fmt.Sprintf("%05d", i))
	return "样例" + trades[i%len(trades)] + number + "有限公司"
}

// seedIDNumber is an ID number of a place that does not exist (区划 999998) with
// the check character of GB 11643.
func seedIDNumber(i int) string {
	born := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i%14000)
	s := fmt.Sprintf("999998%s%03d", born.Format("20060102"), i/14000)
	sum := 0
	for k, digit := range s {
		sum += int(digit-'0') * (1 << (17 - k) % 11)
	}
	return s + string("10X98765432"[sum%11])
}

// seedCode is a unified social credit code (统一社会信用代码) of the same place,
// with the check characters of GB 11714 and GB 32100.
func seedCode(i int) string {
	org := fmt.Sprintf("MA9%05d", i%100_000)
	const digits = "0123456789ABCDEFGHJKLMNPQRTUWXY" // of GB 32100, without I, O, S, V, Z
	sum := 0
	for k, w := range []int{3, 7, 9, 10, 5, 8, 4, 2} {
		v := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", org[k])
		sum += v * w
	}
	s := "91999998" + org + string("0123456789X"[(11-sum%11)%11])
	sum, weight := 0, 1
	for _, c := range s {
		sum += strings.IndexRune(digits, c) * weight
		weight = weight * 3 % 31
	}
	return s + string(digits[(31-sum%31)%31])
}
