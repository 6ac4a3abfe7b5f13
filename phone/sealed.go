package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tianweitong/splitkey"
)

// module is the current module key, its statement verified.
type module struct {
	statement splitkey.ModuleStatement
}

// sealed posts to a sealed route (docs/split-keys.md §2.8). A key that the server
// has replaced meanwhile is fetched anew, once.
func (p *Phone) sealed(ctx context.Context, path, opID, nonceID string, in, out any) error {
	for try := 1; ; try++ {
		err := p.sealedOnce(ctx, path, opID, nonceID, in, out)
		if try < retries && IsCode(err, "exchange_unreadable") {
			p.forgetModule()
			continue
		}
		return err
	}
}

func (p *Phone) forgetModule() {
	p.mu.Lock()
	p.module = nil
	p.mu.Unlock()
}

func (p *Phone) sealedOnce(ctx context.Context, path, opID, nonceID string, in, out any) error {
	m, err := p.currentModule(ctx)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(in)
	if err != nil {
		return err
	}
	aad := splitkey.AAD{
		Kid: m.statement.Kid, Method: methodPost, Path: "/app/v1" + path, OpID: opID, NonceID: nonceID,
		Device: p.thumbprint(), Time: p.now().Unix(),
	}
	request, exchange, err := splitkey.SealRequest(p.Rand, m.statement.Key, aad, plain)
	clear(plain)
	if err != nil {
		return err
	}
	defer exchange.Wipe()
	var reply splitkey.SealedReply
	if err := p.post(ctx, path, request, &reply); err != nil {
		return err
	}
	b, err := exchange.OpenReply(reply)
	if err != nil {
		return fmt.Errorf("phone: the sealed reply: %w", err)
	}
	defer clear(b)
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("phone: the sealed reply: %w: %w", ErrAnswer, err)
	}
	return nil
}

// currentModule gives the module key, fetching and verifying its statement when
// the one at hand ends within a minute.
func (p *Phone) currentModule(ctx context.Context) (*module, error) {
	p.mu.Lock()
	m := p.module
	p.mu.Unlock()
	if m != nil && m.statement.ValidAt(p.now().Add(time.Minute).Unix()) {
		return m, nil
	}
	var doc struct {
		Statement   []byte   `json:"statement"`
		Signature   []byte   `json:"signature"`
		Certificate []byte   `json:"certificate"`
		Chain       [][]byte `json:"chain"`
	}
	if err := p.get(ctx, "/module", &doc); err != nil {
		return nil, err
	}
	statement, err := splitkey.ParseModuleStatement(doc.Statement)
	if err != nil {
		return nil, errors.Join(ErrUntrusted, err)
	}
	if err := p.trustStatement(doc.Statement, doc.Signature, doc.Certificate, doc.Chain); err != nil {
		return nil, err
	}
	if !statement.ValidAt(p.now().Unix()) {
		return nil, fmt.Errorf("%w: the module key is not valid now", ErrUntrusted)
	}
	m = &module{statement}
	p.mu.Lock()
	p.module = m
	p.mu.Unlock()
	return m, nil
}
