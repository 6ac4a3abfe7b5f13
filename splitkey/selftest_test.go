package splitkey

import "testing"

func TestKnownAnswersHold(t *testing.T) {
	if err := KnownAnswers(); err != nil {
		t.Fatal(err)
	}
}
