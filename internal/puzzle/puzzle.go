// Package puzzle makes slide captchas (滑块验证): a tile that a person slides to the
// hole it was cut from. They slow down who asks for SMS codes by program
// (docs/accounts.md).
//
// A challenge is stateless: its id is the answer, sealed, with its end and a
// serial. Whoever judges an answer lets each serial be used once.
package puzzle

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"time"

	"github.com/wenlng/go-captcha/v2/base/option"
	"github.com/wenlng/go-captcha/v2/slide"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
)

// The size of a challenge in pixels, and how it is judged.
const (
	Width  = 300
	Height = 180
	// Tile is the side of the square that holds the tile.
	Tile = 56
	// Near is how many pixels beside the hole are still right.
	Near = 5
	// Life is how long a challenge can be answered.
	Life = 3 * time.Minute
	// atOnce bounds how many are drawn at a time; each takes a few milliseconds.
	atOnce = 2
)

// Challenge is one captcha as the phone shows it.
type Challenge struct {
	ID string
	// Background is a JPEG of Width×Height with the hole, Piece a PNG of Tile×Tile.
	Background, Piece []byte
	// Y is the piece's upper edge; it starts at the left edge.
	Y int
}

// Deps are what a Service needs; all are required.
type Deps struct {
	Clock clock.Clock
	Rand  io.Reader
	Box   *secret.Box
}

// Service makes and judges challenges.
type Service struct {
	Deps
	places chan struct{}
	shapes []*slide.GraphImage
}

// New makes a Service.
func New(d Deps) *Service {
	return &Service{Deps: d, places: make(chan struct{}, atOnce), shapes: shapes()}
}

// place binds the sealed answers to their use.
var place = secret.Place{Table: "puzzle", Column: "answer", Row: "slide"}

// serialSize is the length of a serial in bytes; before it stand the end in
// milliseconds and the hole's left edge.
const serialSize, payloadSize = 16, 8 + 2 + 16

// New draws a challenge, when a place is free.
func (s *Service) New(ctx context.Context) (Challenge, error) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return Challenge{}, ctx.Err()
	}
	defer func() { <-s.places }()
	// Every background is drawn anew: one that came back could be compared with
	// itself, and the difference is the hole.
	maker := slide.NewBuilder(
		slide.WithImageSize(option.Size{Width: Width, Height: Height}),
		slide.WithRangeGraphSize(option.RangeVal{Min: Tile, Max: Tile}),
		slide.WithGenGraphNumber(1),
	)
	maker.SetResources(slide.WithBackgrounds([]image.Image{background(s.Rand)}), slide.WithGraphImages(s.shapes))
	made, err := maker.Make().Generate()
	if err != nil {
		return Challenge{}, fmt.Errorf("puzzle: %w", err)
	}
	c := Challenge{Y: made.GetData().Y}
	if c.Background, err = made.GetMasterImage().ToBytesWithQuality(80); err != nil {
		return Challenge{}, fmt.Errorf("puzzle: %w", err)
	}
	if c.Piece, err = made.GetTileImage().ToBytes(); err != nil {
		return Challenge{}, fmt.Errorf("puzzle: %w", err)
	}
	c.ID, err = s.seal(made.GetData().X)
	return c, err
}

func (s *Service) seal(x int) (string, error) {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.Clock.Now().Add(Life).UnixMilli()))
	b = binary.BigEndian.AppendUint16(b, uint16(x))
	b = append(b, id.Bytes(s.Rand, serialSize)...)
	sealed, err := s.Box.Seal(place, b)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// answer is what a challenge's id holds.
type answer struct {
	x      int
	serial string
}

func (s *Service) open(challenge string) (answer, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil {
		return answer{}, false
	}
	b, err := s.Box.Open(place, sealed)
	if err != nil || len(b) != payloadSize || s.Clock.Now().UnixMilli() >= int64(binary.BigEndian.Uint64(b)) {
		return answer{}, false
	}
	return answer{int(binary.BigEndian.Uint16(b[8:])), string(b[10:])}, true
}

// Judge tells whether x, the piece's left edge in pixels of the background, is
// within Near of the hole. serial names the challenge, whatever its id's spelling,
// and is empty for an id that is made up or too old.
func (s *Service) Judge(challenge string, x int) (serial string, right bool) {
	a, ok := s.open(challenge)
	return a.serial, ok && x >= a.x-Near && x <= a.x+Near
}

// Solution gives the answer to a challenge that is not too old: for the sandbox,
// whose journeys slide by program.
func (s *Service) Solution(challenge string) (x int, ok bool) {
	a, ok := s.open(challenge)
	return a.x, ok
}
