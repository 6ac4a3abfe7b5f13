package fault

import (
	"errors"
	"fmt"
	"testing"
)

var teapot = Code{"teapot", Conflict, "这是一把茶壶。"}

func TestCodeIsFoundThroughWrapping(t *testing.T) {
	cause := errors.New("column missing")
	for name, err := range map[string]error{
		"bare":    teapot,
		"because": teapot.Because(cause),
		"with":    teapot.With(map[string]any{"remaining": 2}),
		"wrapped": fmt.Errorf("brewing: %w", teapot.Because(cause)),
	} {
		if !errors.Is(err, teapot) {
			t.Errorf("%s: errors.Is does not find the code", name)
		}
		if c, _ := Of(err); c.Name != "teapot" {
			t.Errorf("%s: Of = %q", name, c.Name)
		}
	}
	if !errors.Is(teapot.Because(cause), cause) {
		t.Error("the cause is lost")
	}
}

func TestErrorWithoutCodeIsUnexpected(t *testing.T) {
	if c, _ := Of(errors.New("boom")); c.Name != Unexpected.Name || c.Kind != Internal {
		t.Errorf("Of = %+v", c)
	}
	if c, _ := Of(nil); c.Name != "" {
		t.Errorf("Of(nil) = %+v", c)
	}
}

func TestMembersTravelWithTheCode(t *testing.T) {
	_, m := Of(fmt.Errorf("x: %w", teapot.With(map[string]any{"remaining": 2})))
	if m["remaining"] != 2 {
		t.Errorf("members = %v", m)
	}
}
