package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
)

// shrink draws a picture on white, at most side pixels long, each pixel the mean of
// those that it stands for. Rows are read in strips, so that no second whole picture
// is held.
func shrink(src image.Image, side int) *image.RGBA {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	if long := max(w, h); long > side {
		w, h = max(1, w*side/long), max(1, h*side/long)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	var strip *image.RGBA
	for y := range h {
		top, bottom := y*b.Dy()/h, max((y+1)*b.Dy()/h, y*b.Dy()/h+1)
		if strip == nil || strip.Rect.Dy() != bottom-top {
			strip = image.NewRGBA(image.Rect(0, 0, b.Dx(), bottom-top))
		}
		draw.Draw(strip, strip.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
		draw.Draw(strip, strip.Rect, src, image.Pt(b.Min.X, b.Min.Y+top), draw.Over)
		for x := range w {
			left, right := x*b.Dx()/w, max((x+1)*b.Dx()/w, x*b.Dx()/w+1)
			mean(dst.Pix[dst.PixOffset(x, y):], strip, left, right)
		}
	}
	return dst
}

// mean writes the mean colour of a strip's columns.
func mean(to []byte, strip *image.RGBA, left, right int) {
	var sum [3]int
	for y := range strip.Rect.Dy() {
		row := strip.Pix[strip.PixOffset(left, y) : strip.PixOffset(right-1, y)+4]
		for ; len(row) > 0; row = row[4:] {
			sum[0] += int(row[0])
			sum[1] += int(row[1])
			sum[2] += int(row[2])
		}
	}
	n := strip.Rect.Dy() * (right - left)
	to[0], to[1], to[2], to[3] = byte(sum[0]/n), byte(sum[1]/n), byte(sum[2]/n), 0xff
}

// upright turns and mirrors by an EXIF orientation (1–8; JEITA CP-3451, tag 0x0112).
func upright(src *image.RGBA, orientation int) *image.RGBA {
	if orientation <= 1 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		dst = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var X, Y int
			switch orientation {
			case 2:
				X, Y = w-1-x, y
			case 3:
				X, Y = w-1-x, h-1-y
			case 4:
				X, Y = x, h-1-y
			case 5:
				X, Y = y, x
			case 6:
				X, Y = h-1-y, x
			case 7:
				X, Y = h-1-y, w-1-x
			case 8:
				X, Y = y, w-1-x
			}
			copy(dst.Pix[dst.PixOffset(X, Y):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}

// orientation reads a JPEG's EXIF orientation; 1 if it says none that makes sense.
func orientation(b []byte) int {
	if !bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return 1
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xff; {
		marker, n := b[1], int(binary.BigEndian.Uint16(b[2:]))
		if marker == 0xda || n < 2 || len(b) < 2+n { // the pixels begin
			return 1
		}
		if segment := b[4 : 2+n]; marker == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		b = b[2+n:]
	}
	return 1
}

func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if t[0] == 'I' {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(t[4:]))
	if at+2 > uint64(len(t)) {
		return 1
	}
	entries := t[at+2:]
	for range order.Uint16(t[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

const (
	// look is the longer side at which darkness and blur are judged.
	look = 800
	// darkest is the least mean brightness, of 255.
	darkest = 45
	// sharpest is the least variance of the Laplacian (Pech-Pacheco et al. 2000): a
	// card out of focus stays below 10, a legible one is in the hundreds.
	sharpest = 20
)

// legible refuses a card that is dark or blurred.
func legible(img *image.RGBA) error {
	small := shrink(img, look)
	w, h := small.Rect.Dx(), small.Rect.Dy()
	grey := make([]int, w*h)
	sum := 0
	for i := range grey {
		p := small.Pix[4*i:]
		grey[i] = (299*int(p[0]) + 587*int(p[1]) + 114*int(p[2])) / 1000
		sum += grey[i]
	}
	if sum/len(grey) < darkest {
		return CodeDark
	}
	var n, total, squares int
	for y := 1; y < h-1; y++ {
		for x := 1; x < w-1; x++ {
			i := y*w + x
			v := 4*grey[i] - grey[i-1] - grey[i+1] - grey[i-w] - grey[i+w]
			total += v
			squares += v * v
			n++
		}
	}
	if n == 0 || squares/n-(total/n)*(total/n) < sharpest {
		return CodeBlurred
	}
	return nil
}
