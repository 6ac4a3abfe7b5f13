package puzzle_test

import (
	"bytes"
	"crypto/rand"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/puzzle"
	"tianweitong/internal/secret"
)

func open(t testing.TB) (*puzzle.Service, *clock.Manual) {
	t.Helper()
	box, err := secret.NewBox(bytes.Repeat([]byte{7}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	return puzzle.New(puzzle.Deps{Clock: c, Rand: rand.Reader, Box: box}), c
}

func TestAChallengeShowsAPieceAndItsHole(t *testing.T) {
	s, _ := open(t)
	for range 20 {
		c, err := s.New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bg, err := jpeg.Decode(bytes.NewReader(c.Background))
		if err != nil || bg.Bounds() != image.Rect(0, 0, puzzle.Width, puzzle.Height) {
			t.Fatalf("background: %v, %v", bg.Bounds(), err)
		}
		piece, err := png.Decode(bytes.NewReader(c.Piece))
		if err != nil || piece.Bounds() != image.Rect(0, 0, puzzle.Tile, puzzle.Tile) {
			t.Fatalf("piece: %v, %v", piece.Bounds(), err)
		}
		x, ok := s.Solution(c.ID)
		if !ok || x < puzzle.Tile || x+puzzle.Tile > puzzle.Width || c.Y < 0 || c.Y+puzzle.Tile > puzzle.Height {
			t.Fatalf("the hole is at %d, %d", x, c.Y)
		}
		// In its middle the hole is darker than the piece that was cut from there.
		light := func(img image.Image, x, y int) uint32 { r, g, b, _ := img.At(x, y).RGBA(); return r + g + b }
		if hole, was := light(bg, x+puzzle.Tile/2, c.Y+puzzle.Tile/2), light(piece, puzzle.Tile/2, puzzle.Tile/2); hole >= was {
			t.Fatalf("no hole: %d where the piece is %d", hole, was)
		}
	}
}

func TestOnlyTheHoleIsRightAndOnlyForAWhile(t *testing.T) {
	s, now := open(t)
	c, err := s.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x, _ := s.Solution(c.ID)
	for off, want := range map[int]bool{0: true, puzzle.Near: true, -puzzle.Near: true, puzzle.Near + 1: false, -puzzle.Near - 1: false} {
		if serial, right := s.Judge(c.ID, x+off); right != want || serial == "" {
			t.Errorf("%d beside: %v", off, right)
		}
	}
	now.Advance(puzzle.Life)
	if serial, right := s.Judge(c.ID, x); right || serial != "" {
		t.Error("an old challenge was judged")
	}
}

// An id that is spelt otherwise is the same challenge: it cannot be used again.
func TestASerialNamesTheChallengeWhateverItsSpelling(t *testing.T) {
	s, _ := open(t)
	c, err := s.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x, _ := s.Solution(c.ID)
	first, _ := s.Judge(c.ID, x)
	again, right := s.Judge(c.ID[:5]+"\n"+c.ID[5:], x)
	if right && again != first {
		t.Error("another spelling has another serial")
	}
	other, err := s.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if serial, _ := s.Judge(other.ID, x); serial == first {
		t.Error("two challenges share a serial")
	}
}

func FuzzJudge(f *testing.F) {
	s, _ := open(f)
	c, err := s.New(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	serial, _ := s.Judge(c.ID, 0)
	f.Add(c.ID, 100)
	f.Add("", 0)
	f.Add(strings.Repeat("A", 200), -1)
	f.Add(c.ID+"A", 1<<40)
	f.Fuzz(func(t *testing.T, id string, x int) {
		if got, right := s.Judge(id, x); right && got != serial || got != "" && got != serial {
			t.Fatalf("a made-up id was taken: %q", id)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	s, _ := open(b)
	for b.Loop() {
		if _, err := s.New(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
