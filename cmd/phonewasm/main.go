//go:build js

// Command phonewasm is the phone's core for the app in a browser: package phone
// behind JavaScript seams. It runs in a worker (web/phone/src/core), which has
// the digits, signs and sends the requests and keeps the wrapped state.
//
// It sets one global function:
//
//	twtCore(host) → { do(job: string, pins: Uint8Array[]): Promise<string>, weak(pin: Uint8Array): string }
//
// host has thumbprint, account, arc, sandbox, now(), request(…), load(), save(…)
// and stage(…). do resolves with {"value": …} or {"problem": …}, never rejects;
// the entries are cleared on both sides. weak says in Chinese why a new PIN is
// refused, or "".
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"syscall/js"
	"time"

	"tianweitong/phone"
	"tianweitong/pki/wire"
)

func main() {
	js.Global().Set("twtCore", js.FuncOf(func(_ js.Value, args []js.Value) any {
		host := args[0]
		return map[string]any{
			"do": js.FuncOf(func(_ js.Value, args []js.Value) any {
				job, pins := args[0].String(), take(args[1])
				return promise(func() string { return do(host, job, pins) })
			}),
			"weak": js.FuncOf(func(_ js.Value, args []js.Value) any {
				pin := bytesOf(args[0])
				defer clear(pin)
				return phone.WeakPIN(pin)
			}),
		}
	}))
	select {}
}

// take copies the entries once and clears the originals.
func take(list js.Value) [][]byte {
	var pins [][]byte
	for i := range list.Length() {
		pins = append(pins, bytesOf(list.Index(i)))
		list.Index(i).Call("fill", 0)
	}
	return pins
}

func bytesOf(v js.Value) []byte {
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return b
}

func arrayOf(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// promise runs f beside JavaScript's loop and resolves with its result.
func promise(f func() string) js.Value {
	var start js.Func
	start = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve := args[0]
		go func() {
			defer start.Release()
			resolve.Invoke(f())
		}()
		return nil
	})
	return js.Global().Get("Promise").New(start)
}

// errHost: a promise of the host was rejected; what it says is for no user.
var errHost = errors.New("the browser refused")

// await waits for a promise of the host.
func await(v js.Value) (js.Value, error) {
	type settled struct {
		value js.Value
		err   error
	}
	done := make(chan settled, 1)
	good := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{value: args[0]}
		return nil
	})
	bad := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- settled{err: fmt.Errorf("%w: %s", errHost, js.Global().Get("String").Invoke(args[0]).String())}
		return nil
	})
	defer good.Release()
	defer bad.Release()
	v.Call("then", good, bad)
	s := <-done
	return s.value, s.err
}

// do does one job and never panics.
func do(host js.Value, job string, pins [][]byte) (answer string) {
	defer func() {
		if p := recover(); p != nil {
			answer = `{"problem":{"code":"core_failed"}}`
		}
	}()
	value, err := run(host, job, pins)
	out := map[string]any{"value": value}
	if err != nil {
		p := phone.Explain(err)
		members := maps.Clone(p.Members)
		if members == nil {
			members = map[string]any{}
		}
		members["status"], members["code"], members["detail"] = p.Status, p.Code, p.Detail
		out = map[string]any{"problem": members}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return `{"problem":{"code":"core_failed"}}`
	}
	return string(b)
}

func run(host js.Value, job string, pins [][]byte) (any, error) {
	var j phone.Job
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		return nil, err
	}
	thumbprint, err := hex.DecodeString(host.Get("thumbprint").String())
	if err != nil {
		return nil, err
	}
	arc, err := wire.ParseArc(host.Get("arc").String())
	if err != nil {
		return nil, err
	}
	p, err := phone.New(phone.Options{
		Transport: transport{host}, Thumbprint: thumbprint, Store: store{host}, Arc: arc, Sandbox: host.Get("sandbox").Bool(),
		Now:      func() time.Time { return time.UnixMilli(int64(host.Call("now").Float())) },
		Progress: func(s phone.Stage) { tell(host, s) },
	})
	if err != nil {
		return nil, err
	}
	return p.Do(context.Background(), j, pins...)
}

func tell(host js.Value, s phone.Stage) {
	if b, err := json.Marshal(s); err == nil {
		host.Call("stage", string(b))
	}
}

// transport has the browser sign and send.
type transport struct{ host js.Value }

// Send implements phone.Transport. The status 0 says that no answer came; the
// body is then the problem.
func (t transport) Send(_ context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	r, err := await(t.host.Call("request", method, path, contentType, arrayOf(body)))
	if err != nil {
		return 0, nil, err
	}
	status, answer := r.Get("status").Int(), bytesOf(r.Get("body"))
	if status != 0 {
		return status, answer, nil
	}
	var p struct{ Code, Detail string }
	if err := json.Unmarshal(answer, &p); err != nil {
		return 0, nil, err
	}
	return 0, nil, &phone.Problem{Code: p.Code, Detail: p.Detail}
}

// store keeps the state of one account in the browser, which wraps it.
type store struct{ host js.Value }

// Load implements phone.Store.
func (s store) Load() (phone.State, error) {
	state := phone.State{Account: s.host.Get("account").String()}
	v, err := await(s.host.Call("load"))
	if err != nil || v.IsNull() || v.IsUndefined() {
		return state, storage(err)
	}
	b := bytesOf(v)
	defer clear(b)
	return state, storage(json.Unmarshal(b, &state))
}

// Save implements phone.Store.
func (s store) Save(state phone.State) error {
	b, err := json.Marshal(state)
	if err != nil {
		return err
	}
	defer clear(b)
	_, err = await(s.host.Call("save", arrayOf(b)))
	return storage(err)
}

func storage(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(phone.ErrStorage, err)
}
