// Package fonts holds the typeface in which the house writes documents: Noto Sans SC
// (思源黑体), under the SIL Open Font License.
//
// `make build` copies it from the locked packages of web/; a fresh clone has none, and
// what needs it says so.
package fonts

import "embed"

//go:embed all:ttf
var files embed.FS

// Regular is the typeface as TrueType; nil if the house was built without it.
func Regular() []byte {
	b, err := files.ReadFile("ttf/NotoSansSC-Regular.ttf")
	if err != nil {
		return nil
	}
	return b
}
