// Package letter writes letters of authorisation (企业授权书) as PDF, filled with what
// is known, for the enterprise to print, stamp and upload (M§2.4.2).
package letter

import (
	"fmt"
	"time"

	"github.com/signintech/gopdf"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
)

// CodeFont: the house was built without its typeface (docs/enterprises.md).
var CodeFont = fault.Code{Name: "letter_font_missing", Kind: fault.Unavailable,
	Text: "暂时无法生成授权书，请稍后再试，或联系客服。"}

// Facts is what stands in a letter of authorisation.
type Facts struct {
	// Number is the application's.
	Number, Name, Code, LegalName string
	// Person is who will administer, IDMasked the number of his document.
	Person, IDMasked string
	At               time.Time
}

// Millimetres of an A4 page, in points.
const (
	mm     = 72 / 25.4
	left   = 28 * mm
	width  = 154 * mm
	indent = "\u3000\u3000"
	body   = 12.5
	line   = 24.0
)

// Authorisation writes the letter, one A4 page, in a TrueType typeface of which only
// the characters used are embedded; CodeFont if there is none.
func Authorisation(f Facts, typeface []byte) ([]byte, error) {
	if len(typeface) == 0 {
		return nil, CodeFont
	}
	p := &page{}
	p.pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	p.pdf.SetInfo(gopdf.PdfInfo{Title: "企业授权书", Creator: "天威通", Producer: "天威通", CreationDate: f.At})
	if err := p.pdf.AddTTFFontData("text", typeface); err != nil {
		return nil, fmt.Errorf("letter: the typeface cannot be read: %w", err)
	}
	p.pdf.AddPage()
	p.y = 38 * mm
	p.centred("企业授权书", 24)
	p.y += 14 * mm
	p.paragraph("天威通平台：")
	p.paragraph(indent + "兹授权我单位员工 " + f.Person + "（身份证号 " + f.IDMasked + "）办理本单位在贵平台的企业实名、数字证书申请及电子印章制作事宜，并担任本单位在贵平台的管理员。")
	p.paragraph(indent + "我单位确认所提交的企业信息与证件真实、有效，对被授权人在授权范围内的操作承担责任。")
	p.paragraph(indent + "授权期限：自签署之日起三年；期间管理员变更的，以平台记录为准。")
	p.y += 10 * mm
	p.paragraph("单位名称：" + f.Name)
	p.paragraph("统一社会信用代码：" + f.Code)
	p.paragraph("法定代表人：" + f.LegalName + "        签字：")
	p.y += 14 * mm
	p.at(left+width/2, "单位（盖章）：")
	p.y += 26 * mm
	p.at(left+width/2, "日期：        年      月      日")
	p.y = 272 * mm
	p.size(8.5)
	p.at(left, "受理单号 "+f.Number+"  ·  "+f.At.In(clock.China).Format("2006-01-02")+" 由天威通生成。请打印后加盖单位公章，拍照或扫描上传。")
	if p.err != nil {
		return nil, fmt.Errorf("letter: %w", p.err)
	}
	return p.pdf.GetBytesPdfReturnErr()
}

// page writes downwards and keeps the first error.
type page struct {
	pdf gopdf.GoPdf
	y   float64
	err error
}

func (p *page) size(points float64) {
	if p.err == nil {
		p.err = p.pdf.SetFont("text", "", points)
	}
}

// at writes one line at the present height.
func (p *page) at(x float64, text string) {
	if p.err == nil {
		p.pdf.SetXY(x, p.y)
		p.err = p.pdf.Cell(nil, text)
	}
}

func (p *page) centred(text string, points float64) {
	p.size(points)
	if p.err != nil {
		return
	}
	w, err := p.pdf.MeasureTextWidth(text)
	p.err = err
	p.at(left+(width-w)/2, text)
	p.y += points * 1.4
	p.size(body)
}

// paragraph writes a text over as many lines as it takes.
func (p *page) paragraph(text string) {
	if p.err != nil {
		return
	}
	lines, err := p.pdf.SplitText(text, width)
	p.err = err
	for _, l := range lines {
		p.at(left, l)
		p.y += line
	}
	p.y += line / 4
}
