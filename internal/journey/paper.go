package journey

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// The sizes of drawn papers: an ID card and a sheet.
var (
	cardSize  = image.Pt(856, 540)
	sheetSize = image.Pt(744, 1052)
)

var (
	paper = color.RGBA{250, 249, 246, 255}
	ink   = color.RGBA{40, 42, 48, 255}
	seal  = color.RGBA{205, 24, 30, 255}
)

// draught draws a made-up paper as PNG: bars where an original has lines of text,
// and a QR code of what it stands for, so that nobody takes it for one. stamp puts
// a seal's print below.
func draught(size image.Point, says string, stamp bool) ([]byte, error) {
	code, err := qr.Encode("沙箱演示，纯属虚构："+says, qr.M)
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	margin := size.X / 12
	for y, n := margin, 0; y < size.Y-margin; y, n = y+28, n+1 {
		right := size.X - margin - n*37%(size.X/3)
		draw.Draw(img, image.Rect(margin, y, right, y+9), image.NewUniform(ink), image.Point{}, draw.Src)
	}
	const module = 4
	side := (code.Size + 8) * module
	at := image.Pt(size.X-margin-side, margin)
	draw.Draw(img, image.Rectangle{at, at.Add(image.Pt(side, side))}, image.White, image.Point{}, draw.Src)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				p := at.Add(image.Pt((x+4)*module, (y+4)*module))
				draw.Draw(img, image.Rectangle{p, p.Add(image.Pt(module, module))}, image.Black, image.Point{}, draw.Src)
			}
		}
	}
	if stamp {
		imprint(img, sealPlace(size))
	}
	var out bytes.Buffer
	err = png.Encode(&out, img)
	return out.Bytes(), err
}

// sealPlace is where a print stands on a sheet: at the lower right.
func sealPlace(size image.Point) image.Rectangle {
	side := size.X / 3
	return image.Rect(size.X-side-size.X/10, size.Y-side-size.Y/10, size.X-size.X/10, size.Y-size.Y/10)
}

// imprint draws a ring with a five-pointed star in it.
func imprint(img *image.RGBA, place image.Rectangle) {
	const half, tip, notch = math.Pi / 5, 0.45, 0.18 // of a point's angle; radii
	radius := float64(place.Dx()) / 2
	for y := range place.Dy() {
		for x := range place.Dx() {
			dx, dy := (float64(x)-radius)/radius, (float64(y)-radius)/radius
			turn := math.Mod(math.Atan2(dx, -dy)+2*math.Pi, 2*half)
			turn = math.Min(turn, 2*half-turn)
			edge := tip * notch * math.Sin(half) / (tip*math.Sin(turn) + notch*math.Sin(half-turn))
			if r := math.Hypot(dx, dy); r > 0.9 && r < 1 || r < edge {
				img.SetRGBA(place.Min.X+x, place.Min.Y+y, seal)
			}
		}
	}
}

// stamped tells whether a picture of a letter bears the print: what an officer
// looks for.
func stamped(picture []byte) (bool, error) {
	img, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		return false, err
	}
	place, red := sealPlace(img.Bounds().Size()), 0
	for y := place.Min.Y; y < place.Max.Y; y++ {
		for x := place.Min.X; x < place.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r > 2*g && r > 2*b {
				red++
			}
		}
	}
	return red > place.Dx()*place.Dy()/20, nil
}

var (
	glyphRange = regexp.MustCompile(`<([0-9A-F]{4})><([0-9A-F]{4})><([0-9A-F]{4})>`)
	glyphs     = regexp.MustCompile(`<([0-9A-F]+)>`)
	shown      = regexp.MustCompile(`(?s)\[(.*?)\] TJ`)
)

// letterText reads a letter (企业授权书) as its reader would: the page's text by the
// font's own map from glyphs to characters (ISO 32000-1 §9.10.3).
func letterText(pdf []byte) (string, error) {
	if !bytes.HasPrefix(pdf, []byte("%PDF-1.")) || !bytes.Contains(pdf[max(0, len(pdf)-16):], []byte("%%EOF")) {
		return "", errors.New("journey: the letter is no whole PDF")
	}
	unicode := map[uint64]rune{}
	for _, m := range glyphRange.FindAllSubmatch(pdf, -1) {
		var n [3]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(string(m[i+1]), 16, 16) // four hexadecimal digits
		}
		for g := n[0]; g <= n[1]; g++ {
			unicode[g] = rune(n[2] + g - n[0])
		}
	}
	var text strings.Builder
	for _, part := range bytes.Split(pdf, []byte("stream"))[1:] {
		z, err := zlib.NewReader(bytes.NewReader(bytes.TrimLeft(part, "\r\n")))
		if err != nil {
			continue // not compressed: no page
		}
		page, err := io.ReadAll(io.LimitReader(z, 4<<20))
		if err != nil || !bytes.HasPrefix(page, []byte("BT")) {
			continue
		}
		for _, line := range shown.FindAllSubmatch(page, -1) {
			for _, run := range glyphs.FindAllSubmatch(line[1], -1) {
				b, err := hex.DecodeString(string(run[1]))
				if err != nil || len(b)%2 != 0 {
					return "", fmt.Errorf("journey: the letter's text cannot be read: %w", err)
				}
				for ; len(b) > 0; b = b[2:] {
					text.WriteRune(unicode[uint64(b[0])<<8|uint64(b[1])])
				}
			}
		}
	}
	return text.String(), nil
}
