package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"tianweitong/internal/fault"
)

// card draws a made-up card: lines as text has them, on a bright ground.
func card(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{220, 225, 230, 255}
			if (y/12)%3 == 0 && (x/5)%3 != 0 {
				c = color.RGBA{30, 30, 40, 255}
			}
			if x < w/2 && y < h/2 {
				c.R = 255 // the upper left quarter is known by its red
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a PNG of few bytes that says it is large.
func bomb(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	head = append(binary.BigEndian.AppendUint32(head, h), 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(b, head...), crc32.ChecksumIEEE(head))
}

// exif puts an orientation and a made-up place into a JPEG.
func exif(jpg []byte, orientation byte) []byte {
	tiff := append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), orientation, 0, 0, 0, 0, 0, 0)
	tiff = append(tiff, "GPS-PLACE"...)
	segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(tiff)+2)), tiff...)
	return append(append([]byte{0xff, 0xd8}, segment...), jpg[2:]...)
}

func TestWhatIsNoPictureGetsAClearError(t *testing.T) {
	good := asJPEG(t, card(800, 500))
	dark := image.NewRGBA(image.Rect(0, 0, 800, 500))
	for i := range dark.Pix {
		if dark.Pix[i] = byte(i % 40); i%4 == 3 {
			dark.Pix[i] = 255
		}
	}
	grey := image.NewRGBA(image.Rect(0, 0, 800, 500))
	for i := range grey.Pix {
		grey.Pix[i] = 200
	}
	for name, x := range map[string]struct {
		upload []byte
		want   fault.Code
	}{
		"nothing":            {nil, CodeEmpty},
		"too many bytes":     {append(good, make([]byte, MaxBytes)...), CodeBytes},
		"svg with script":    {[]byte("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"), CodeSVG},
		"pdf named .jpg":     {[]byte("%PDF-1.7\n%âãÏÓ"), CodePDF},
		"heic":               {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), CodeHEIC},
		"gif":                {[]byte("GIF89a\x01\x00\x01\x00"), CodeGIF},
		"webp":               {[]byte("RIFF\x00\x00\x00\x00WEBPVP8 "), CodeType},
		"polyglot with pdf":  {append(bytes.Clone(good), "%PDF-1.4 …"...), CodeMixed},
		"polyglot with html": {append(bytes.Clone(good), "<script>alert(1)</script>"...), CodeMixed},
		"bomb by sides":      {bomb(60_000, 60_000), CodeDimensions},
		"bomb by pixels":     {bomb(9_000, 9_000), CodeDimensions},
		"small":              {asJPEG(t, card(599, 420)), CodeSmall},
		"narrow":             {asPNG(t, card(900, 399)), CodeSmall},
		"cut off":            {good[:len(good)/2], CodeBroken},
		"head alone":         {bomb(800, 600), CodeBroken},
		"dark":               {asPNG(t, dark), CodeDark},
		"blurred":            {asPNG(t, grey), CodeBlurred},
	} {
		if _, err := Read(t.Context(), x.upload, Card); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %s", name, err, x.want.Name)
		}
	}
}

// progressiveOf is the head of a progressive JPEG with a number of scans, behind a
// segment of metadata and bytes of fill.
func progressiveOf(w, h uint16, components byte, scans int) []byte {
	b := []byte("\xff\xd8\xff\xe1\x00\x06Exif\xff\xff\xff\xc2\x00")
	b = append(b, 8+3*components, 8)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, h), w)
	b = append(b, components)
	for i := range components {
		b = append(b, i+1, 0x11, 0)
	}
	return append(b, bytes.Repeat([]byte("\xff\xda\x00\x08\x01\x01\x00\x01\x05\x01"), scans)...)
}

func TestAProgressiveJPEGIsMeasuredByWhatItsDecodingHolds(t *testing.T) {
	for name, x := range map[string]struct {
		upload []byte
		want   fault.Code
	}{
		"as large as any":    {progressiveOf(8000, 5000, 3, 1), CodeProgressive},
		"a little too large": {progressiveOf(5000, 2001, 3, 1), CodeProgressive},
		"for print":          {progressiveOf(1000, 800, 4, 1), CodeProgressive},
		"of many scans":      {progressiveOf(1000, 800, 3, MaxScans+1), CodeProgressive},
		"as a web page's":    {progressiveOf(5000, 2000, 3, MaxScans), CodeBroken}, // is decoded, and has no data
	} {
		if _, err := Read(t.Context(), x.upload, Document); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %s", name, err, x.want.Name)
		}
	}
}

func TestAPictureIsWrittenAnewWithoutMetadata(t *testing.T) {
	for name, upload := range map[string][]byte{"jpeg": exif(asJPEG(t, card(900, 560)), 1), "png": asPNG(t, card(900, 560))} {
		out, err := Read(t.Context(), upload, Card)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil || img.Bounds().Dx() != 900 || img.Bounds().Dy() != 560 {
			t.Errorf("%s: %v, %v", name, img.Bounds(), err)
		}
		if bytes.Contains(out, []byte("Exif")) || bytes.Contains(out, []byte("GPS-PLACE")) {
			t.Errorf("%s: metadata is left", name)
		}
	}
}

func TestALargePictureIsKeptSmaller(t *testing.T) {
	out, err := Read(t.Context(), asJPEG(t, card(4000, 2000)), Document)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(out)); err != nil || c.Width != Side || c.Height != Side/2 {
		t.Errorf("%d×%d, %v", c.Width, c.Height, err)
	}
}

func TestTheOrientationIsApplied(t *testing.T) {
	// Where the red quarter of the picture comes to stand.
	for o, want := range map[byte]struct{ right, lower bool }{
		1: {}, 2: {right: true}, 3: {right: true, lower: true}, 4: {lower: true},
		5: {}, 6: {right: true}, 7: {right: true, lower: true}, 8: {lower: true},
	} {
		out, err := Read(t.Context(), exif(asJPEG(t, card(800, 500)), o), Document)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		w, h := img.Bounds().Dx(), img.Bounds().Dy()
		if (o >= 5) != (h > w) {
			t.Errorf("orientation %d: %d×%d", o, w, h)
		}
		for _, right := range []bool{false, true} {
			for _, lower := range []bool{false, true} {
				red := redness(img, right, lower)
				if is := right == want.right && lower == want.lower; is != (red > 10) {
					t.Errorf("orientation %d: redness %d, right %v, lower %v", o, red, right, lower)
				}
			}
		}
	}
}

// redness is by how much red exceeds green in a quarter of a picture, on average.
func redness(img image.Image, right, lower bool) int {
	w, h := img.Bounds().Dx()/2, img.Bounds().Dy()/2
	sum := 0
	for y := range h {
		for x := range w {
			X, Y := x, y
			if right {
				X += w
			}
			if lower {
				Y += h
			}
			r, g, _, _ := img.At(X, Y).RGBA()
			sum += int(r>>8) - int(g>>8)
		}
	}
	return sum / (w * h)
}

func TestWhoeverWaitsTooLongForAPlaceIsTold(t *testing.T) {
	for range cap(places) {
		places <- struct{}{}
		defer func() { <-places }()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, asJPEG(t, card(800, 500)), Document); !errors.Is(err, context.Canceled) {
		t.Errorf("reading without a place: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(asJPEG(f, card(610, 410)))
	f.Add(exif(asJPEG(f, card(610, 410)), 6))
	f.Add(bomb(9_000, 9_000))
	f.Add(bomb(800, 600))
	f.Add([]byte("%PDF-1.7"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Add(progressiveOf(1000, 800, 3, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := Read(t.Context(), b, Card)
		if code, _ := fault.Of(err); err != nil && code.Kind != fault.Invalid && code.Kind != fault.TooLarge {
			t.Fatalf("%v", err)
		}
		if err == nil {
			if _, err := jpeg.DecodeConfig(bytes.NewReader(out)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
