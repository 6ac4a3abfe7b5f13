// Package picture takes pictures from outside (上传图片) and makes harmless ones of
// them: what it gives back is a JPEG that it has written itself, from pixels alone.
//
// The type is decided by content, never by a name or header; dimensions are read
// before anything is decoded; few pictures are decoded at a time; the EXIF orientation
// is applied and then all metadata, with it the place where the picture was taken, is
// gone.
package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"tianweitong/internal/fault"
)

const (
	// MaxBytes is the largest upload.
	MaxBytes = 10 << 20
	// MaxSide is the longest side that is decoded.
	MaxSide = 10_000
	// MaxPixels are the most pixels that are decoded.
	MaxPixels = 40_000_000
	// MaxScans are the most scans of a progressive JPEG; encoders write about ten. A
	// scan of a few bytes makes the decoder visit each of its blocks.
	MaxScans = 64
	// MinLong and MinShort are the smallest sides on which a document can be read.
	MinLong, MinShort = 600, 400
	// Side is the longer side of what is kept, at most.
	Side = 3000

	quality = 85
)

// Use says what a picture is of.
type Use int

// The uses.
const (
	// Document is anything on paper.
	Document Use = iota
	// Card is an ID card: it is looked at whether it is dark or blurred.
	Card
)

// The refusals.
var (
	CodeEmpty = fault.Code{Name: "picture_empty", Kind: fault.Invalid,
		Text: "没有收到图片，请重新选择后上传。"}
	CodeBytes = fault.Code{Name: "picture_too_large", Kind: fault.TooLarge,
		Text: "图片超过 10 MB，请压缩或重新拍摄后上传。"}
	CodeType = fault.Code{Name: "picture_type", Kind: fault.Invalid,
		Text: "图片格式不支持，请上传 JPG 或 PNG 格式的图片。"}
	CodePDF = fault.Code{Name: "picture_is_pdf", Kind: fault.Invalid,
		Text: "这是 PDF 文件，不是图片，请拍照或导出为 JPG、PNG 后上传。"}
	CodeSVG = fault.Code{Name: "picture_is_svg", Kind: fault.Invalid,
		Text: "这是矢量图或网页文件，不能上传，请上传 JPG 或 PNG 格式的照片。"}
	CodeHEIC = fault.Code{Name: "picture_is_heic", Kind: fault.Invalid,
		Text: "暂不支持 HEIC 格式，请在手机相机设置中选择“兼容性最佳”后重拍，或转换为 JPG 后上传。"}
	CodeGIF = fault.Code{Name: "picture_is_gif", Kind: fault.Invalid,
		Text: "暂不支持 GIF 动图，请上传 JPG 或 PNG 格式的照片。"}
	CodeMixed = fault.Code{Name: "picture_mixed", Kind: fault.Invalid,
		Text: "图片中夹带了其他内容，不能上传，请重新拍摄或另存为新图片后上传。"}
	CodeBroken = fault.Code{Name: "picture_broken", Kind: fault.Invalid,
		Text: "图片已损坏或不完整，请重新拍摄后上传。"}
	CodeDimensions = fault.Code{Name: "picture_dimensions", Kind: fault.Invalid,
		Text: "图片尺寸过大（单边不超过 10000 像素，总计不超过 4000 万像素），请缩小后上传。"}
	CodeProgressive = fault.Code{Name: "picture_progressive", Kind: fault.Invalid,
		Text: "这张渐进式 JPG 过大或颜色格式不支持，请用手机重新拍摄，或另存为普通 JPG 后上传。"}
	CodeSmall = fault.Code{Name: "picture_small", Kind: fault.Invalid,
		Text: "图片尺寸过小，无法看清，请上传不小于 600×400 像素的图片。"}
	CodeDark = fault.Code{Name: "picture_dark", Kind: fault.Invalid,
		Text: "照片太暗，看不清证件，请在光线充足处重新拍摄。"}
	CodeBlurred = fault.Code{Name: "picture_blurred", Kind: fault.Invalid,
		Text: "照片模糊，看不清证件，请对准证件、保持稳定后重新拍摄。"}
)

// places are how many pictures are decoded at a time: each may hold 160 MB.
var places = make(chan struct{}, 2)

// Read makes a JPEG of at most Side pixels of an upload. The refusals are this
// package's; another error is ctx's, which ended while others were decoded.
func Read(ctx context.Context, upload []byte, use Use) ([]byte, error) {
	decode, err := sniff(upload)
	if err != nil {
		return nil, err
	}
	if err := measure(upload, decode); err != nil {
		return nil, err
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	img, err := decode.whole(bytes.NewReader(upload))
	if err != nil {
		return nil, CodeBroken.Because(err)
	}
	small := upright(shrink(img, Side), orientation(upload))
	if use == Card {
		if err := legible(small); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// format is one of the two types that are read.
type format struct {
	config func(*bytes.Reader) (image.Config, error)
	whole  func(*bytes.Reader) (image.Image, error)
}

var (
	formatJPEG = format{
		func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
		func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
	}
	formatPNG = format{
		func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
		func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
	}
)

// strangers are contents of other types that have no business in a picture; long
// enough not to come about by chance.
var strangers = [][]byte{[]byte("%PDF-"), []byte("<script"), []byte("<?php"), []byte("<html"), []byte("<!DOCTYPE"), []byte("<svg ")}

// sniff decides the type by content.
func sniff(b []byte) (format, error) {
	var f format
	switch {
	case len(b) == 0:
		return f, CodeEmpty
	case len(b) > MaxBytes:
		return f, CodeBytes
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		f = formatJPEG
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		f = formatPNG
	case bytes.HasPrefix(b, []byte("%PDF")):
		return f, CodePDF
	case bytes.HasPrefix(b, []byte("GIF8")):
		return f, CodeGIF
	case len(b) > 12 && string(b[4:8]) == "ftyp":
		return f, CodeHEIC
	case bytes.HasPrefix(bytes.TrimLeft(b, "\xef\xbb\xbf \t\r\n"), []byte("<")):
		return f, CodeSVG
	default:
		return f, CodeType
	}
	for _, s := range strangers {
		if bytes.Contains(b, s) {
			return f, CodeMixed
		}
	}
	return f, nil
}

// progressive gives a JPEG from its frame header on if it is a progressive one (SOF2,
// ITU-T T.81 annex G), else nil. All coefficients of such a one are held until its end:
// 15 bytes a pixel. It walks the segments up to the header as image/jpeg does.
func progressive(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return nil
	}
	for b = b[2:]; len(b) >= 4; {
		marker := b[1]
		switch {
		case b[0] != 0xff || marker == 0xff:
			b = b[1:] // stray bytes, and fill before a marker
		case marker == 0 || marker >= 0xd0 && marker <= 0xd7:
			b = b[2:] // without a length
		case marker == 0xc2:
			return b
		case marker == 0xc0 || marker == 0xc1:
			return nil
		default:
			n := 2 + int(b[2])<<8 + int(b[3])
			if n > len(b) {
				return nil
			}
			b = b[n:]
		}
	}
	return nil
}

// measure reads the dimensions before anything is decoded.
func measure(b []byte, f format) error {
	c, err := f.config(bytes.NewReader(b))
	if err != nil {
		return CodeBroken.Because(err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return CodeBroken.Because(errors.New("no pixels"))
	}
	most := MaxPixels
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.CMYKModel:
		most /= 2 // twice the bytes a pixel
	}
	if frame := progressive(b); frame != nil {
		if c.ColorModel == color.CMYKModel || c.Width*c.Height > MaxPixels/4 || bytes.Count(frame, []byte("\xff\xda")) > MaxScans {
			return CodeProgressive
		}
	}
	if c.Width > MaxSide || c.Height > MaxSide || c.Width*c.Height > most {
		return CodeDimensions
	}
	if max(c.Width, c.Height) < MinLong || min(c.Width, c.Height) < MinShort {
		return CodeSmall
	}
	return nil
}
