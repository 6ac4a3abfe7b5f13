package realname

import (
	"bytes"
	"strings"
)

// Source says how a face video was made, as the app declares it. The server
// cannot tell a recording from a file; whether it shows a living person is the
// checker's to say.
type Source string

// The sources.
const (
	Live   Source = "live"   // recorded at the marked place; the default
	Upload Source = "upload" // a file, for registration in the sandbox alone (docs/domain.md A11)
)

// CheckVideo refuses what no checker takes: an empty or too large video
// (CodeVideo), and one that is neither MP4 nor WebM or not of the type that it is
// declared to be (CodeVideoType). The parameters of the type, such as codecs, say
// nothing here.
func CheckVideo(contentType string, video []byte) error {
	declared, _, _ := strings.Cut(contentType, ";")
	if len(video) == 0 || len(video) > MaxVideo {
		return CodeVideo
	}
	switch strings.ToLower(strings.TrimSpace(declared)) {
	case "video/mp4":
		// ISO/IEC 14496-12 §4.3: the file begins with the box ftyp.
		if len(video) < 12 || string(video[4:8]) != "ftyp" {
			return CodeVideoType
		}
	case "video/webm":
		// EBML (RFC 8794 §11.2): the head names the document type.
		head := video[:min(len(video), 64)]
		if !bytes.HasPrefix(head, []byte{0x1a, 0x45, 0xdf, 0xa3}) || !bytes.Contains(head, []byte("webm")) {
			return CodeVideoType
		}
	default:
		return CodeVideoType
	}
	return nil
}
