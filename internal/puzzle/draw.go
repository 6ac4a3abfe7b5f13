package puzzle

import (
	"encoding/binary"
	"image"
	"image/color"
	"io"
	"math"

	"github.com/wenlng/go-captcha/v2/slide"

	"tianweitong/internal/id"
)

// dice gives numbers for a drawing from a run of random bytes.
type dice struct{ left []byte }

func throw(r io.Reader) *dice { return &dice{id.Bytes(r, 2048)} }

// between gives a number from low up to high.
func (d *dice) between(low, high float64) float64 {
	v := binary.BigEndian.Uint16(d.left)
	d.left = d.left[2:]
	return low + (high-low)*float64(v)/65536
}

// waves is how many waves a colour is the sum of, spots how many discs lie on it.
const waves, spots = 4, 36

// background draws soft coloured waves with translucent discs: enough texture
// that the piece is found by eye, nothing that needs a picture of somebody else's.
func background(r io.Reader) image.Image {
	d := throw(r)
	var light [Height][Width]float64
	for range spots {
		x, y, r, more := d.between(0, Width), d.between(0, Height), d.between(4, 30), d.between(-40, 40)
		for j := max(int(y-r), 0); j < min(int(y+r)+1, Height); j++ {
			for i := max(int(x-r), 0); i < min(int(x+r)+1, Width); i++ {
				if math.Hypot(float64(i)-x, float64(j)-y) < r {
					light[j][i] += more
				}
			}
		}
	}
	out := image.NewNRGBA(image.Rect(0, 0, Width, Height))
	for c := range 3 {
		base := d.between(90, 190)
		// sin(x+y) = sin x cos y + cos x sin y: a wave costs a table, not a sine a pixel.
		var sx, cx [waves][Width]float64
		var sy, cy [waves][Height]float64
		for w := range waves {
			fx, fy, phase := d.between(-0.07, 0.07), d.between(-0.07, 0.07), d.between(0, 2*math.Pi)
			for x := range Width {
				sx[w][x], cx[w][x] = math.Sincos(fx * float64(x))
			}
			for y := range Height {
				sy[w][y], cy[w][y] = math.Sincos(fy*float64(y) + phase)
			}
		}
		for y := range Height {
			for x := range Width {
				sum := base + light[y][x]
				for w := range waves {
					sum += 22 * (sx[w][x]*cy[w][y] + cx[w][x]*sy[w][y])
				}
				out.Pix[y*out.Stride+4*x+c] = uint8(min(max(sum, 0), 255))
			}
		}
	}
	for i := 3; i < len(out.Pix); i += 4 {
		out.Pix[i] = 255
	}
	return out
}

// shapes draws the four pieces: a square with two tabs and a notch, turned.
func shapes() []*slide.GraphImage {
	const side, samples = Tile, 4
	inside := func(x, y float64) bool { // of a square of 1×1
		disc := func(cx, cy, r float64) bool { return math.Hypot(x-cx, y-cy) < r }
		if disc(0.18, 0.5, 0.11) {
			return false
		}
		return x > 0.16 && x < 0.84 && y > 0.16 && y < 0.84 || disc(0.5, 0.14, 0.12) || disc(0.86, 0.5, 0.12)
	}
	var out []*slide.GraphImage
	for _, turn := range []func(x, y float64) (float64, float64){
		func(x, y float64) (float64, float64) { return x, y },
		func(x, y float64) (float64, float64) { return y, 1 - x },
		func(x, y float64) (float64, float64) { return 1 - x, 1 - y },
		func(x, y float64) (float64, float64) { return 1 - y, x },
	} {
		mask, rim, hole := image.NewNRGBA(image.Rect(0, 0, side, side)), image.NewNRGBA(image.Rect(0, 0, side, side)), image.NewNRGBA(image.Rect(0, 0, side, side))
		share := func(x, y int, grow float64) float64 { // how much of a pixel is inside
			n := 0
			for i := range samples * samples {
				fx := (float64(x) + (float64(i%samples)+0.5)/samples) / side
				fy := (float64(y) + (float64(i/samples)+0.5)/samples) / side
				if inside(turn(0.5+(fx-0.5)*grow, 0.5+(fy-0.5)*grow)) {
					n++
				}
			}
			return float64(n) / (samples * samples)
		}
		for y := range side {
			for x := range side {
				all := share(x, y, 1)
				mask.SetNRGBA(x, y, color.NRGBA{0, 0, 0, uint8(255 * all)})
				hole.SetNRGBA(x, y, color.NRGBA{0, 0, 0, uint8(120 * all)})
				rim.SetNRGBA(x, y, color.NRGBA{255, 255, 255, uint8(220 * max(all-share(x, y, 1.08), 0))})
			}
		}
		out = append(out, &slide.GraphImage{OverlayImage: rim, ShadowImage: hole, MaskImage: mask})
	}
	return out
}
