package realname

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
)

// ask makes the recorded call of a check and records the answer. If the checker
// does not answer in time the check is given back as it stands: the job goes on.
// A phone that hangs up does not stop a call that is under way.
func (s *Service) ask(ctx context.Context, c Check, video []byte) (Check, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Wait)
	defer cancel()
	after, err := s.step(ctx, c, video)
	if err != nil {
		s.Log.Warn("a real-name check goes on in the background", "check", c.ID, "ref", c.Ref, "error", err)
		return c, nil
	}
	return after, nil
}

// step makes the call whose answer is outstanding, by its reference, and records
// what came back. An error leaves everything as it was.
func (s *Service) step(ctx context.Context, c Check, video []byte) (Check, error) {
	var a Answer
	var err error
	switch c.State {
	case StateFactors:
		if c.Method == MethodBank {
			a, err = s.Checker.CardFactors(ctx, CardQuery{Ref: c.Ref, Name: c.Name, IDNumber: c.IDNumber, Phone: c.Phone, Card: c.Card})
			break
		}
		a, err = s.Checker.PersonFactors(ctx, Query{Ref: c.Ref, Name: c.Name, IDNumber: c.IDNumber, Phone: c.Phone})
	case StateChecking:
		a, err = s.Checker.Face(ctx, FaceQuery{Ref: c.Ref, Name: c.Name, IDNumber: c.IDNumber, Video: video})
	default:
		return c, nil
	}
	lost := errors.Is(err, ErrNoSuchCheck) && c.State == StateChecking
	if err != nil && !lost {
		return c, err
	}
	asked := c
	err = s.Runner.Do(ctx, "realname.settle", func(ctx context.Context, tx work.Tx) error {
		var err error
		if c, err = s.Store.Get(ctx, tx, asked.ID); err != nil {
			return err
		}
		switch {
		case c.Ref != asked.Ref: // it was settled, or ended, meanwhile
		case lost:
			err = s.lose(ctx, tx, &c)
		default:
			err = s.settle(ctx, tx, &c, a)
		}
		if err != nil {
			return err
		}
		c, err = s.counted(ctx, tx, c)
		return err
	})
	return c, err
}

// lose asks for another video in place of one that never reached the checker, and
// takes back what it counted.
func (s *Service) lose(ctx context.Context, tx work.Tx, c *Check) error {
	if c.Failed > 0 {
		if err := s.Store.GiveBack(ctx, tx, c.Account, c.Purpose, clock.Day(s.Clock.Now())); err != nil {
			return err
		}
	}
	return s.again(ctx, tx, c, ReasonLost.Name)
}

// settle moves a check by the answer to its outstanding call.
func (s *Service) settle(ctx context.Context, tx work.Tx, c *Check, a Answer) error {
	factors := c.State == StateFactors
	switch {
	case factors && !a.Passed:
		otherwise := ReasonFactors
		if c.Method == MethodBank {
			otherwise = ReasonCard
		}
		return s.refuse(ctx, tx, c, reasonOf(a, otherwise))
	case factors:
		c.Card = "" // it has served; the face needs none
		// Whoever holds all the factors may know that the number is taken; a
		// stranger who types somebody's name and number is not told.
		switch other, err := s.Store.AccountOf(ctx, tx, s.idHash(c.IDNumber)); {
		case err == nil && other != c.Account:
			return s.refuse(ctx, tx, c, ReasonTaken.Name)
		case err != nil && !errors.Is(err, work.ErrNotFound):
			return err
		}
		return s.again(ctx, tx, c, "")
	case !a.Passed:
		c.Failed++
		after, err := s.counted(ctx, tx, *c)
		if err != nil {
			return err
		}
		if after.Remaining == 0 {
			return s.refuse(ctx, tx, c, reasonOf(a, ReasonFace))
		}
		return s.again(ctx, tx, c, reasonOf(a, ReasonFace))
	case c.Purpose == PurposePerson:
		return s.verify(ctx, tx, c)
	}
	return s.end(ctx, tx, c, StatePassed, "", "realname.face_passed")
}

// again waits for a (or another) video.
func (s *Service) again(ctx context.Context, tx work.Tx, c *Check, reason string) error {
	c.State, c.Ref, c.Reason = StateFace, "", reason
	return s.put(ctx, tx, c)
}

func (s *Service) refuse(ctx context.Context, tx work.Tx, c *Check, reason string) error {
	return s.end(ctx, tx, c, StateRefused, reason, "realname.refused")
}

// end closes a check and erases what was checked from it.
func (s *Service) end(ctx context.Context, tx work.Tx, c *Check, to State, reason, kind string) error {
	c.State, c.Ref, c.Reason = to, "", reason
	c.Name, c.IDNumber, c.Phone, c.Card = "", "", "", ""
	if err := s.put(ctx, tx, c); err != nil {
		return err
	}
	return s.record(ctx, tx, *c, kind)
}

// verify makes the account's person, or renews its name.
func (s *Service) verify(ctx context.Context, tx work.Tx, c *Check) error {
	now := s.Clock.Now()
	switch known, err := s.Store.Person(ctx, tx, c.Account); {
	case err == nil && known.IDNumber != c.IDNumber:
		return s.refuse(ctx, tx, c, ReasonTaken.Name)
	case err == nil:
		if known.Name != c.Name {
			former := FormerName{ID: id.New(s.Rand), Account: c.Account, Name: known.Name, From: known.VerifiedAt, Until: now}
			if err := s.Store.PutFormerName(ctx, tx, former); err != nil {
				return err
			}
		}
		if err := s.Store.Rename(ctx, tx, c.Account, c.Name, now); err != nil {
			return err
		}
		if known.Name != c.Name && s.Changed != nil {
			if err := s.Changed.PersonChanged(ctx, tx, c.Account, known.Name, c.Name); err != nil {
				return err
			}
		}
		return s.end(ctx, tx, c, StatePassed, "", "realname.renamed")
	case !errors.Is(err, work.ErrNotFound):
		return err
	}
	added, err := s.Store.AddPerson(ctx, tx, Person{Account: c.Account, Holder: id.New(s.Rand), Name: c.Name,
		IDType: IDResident, IDNumber: c.IDNumber, IDHash: s.idHash(c.IDNumber), VerifiedAt: now})
	if err != nil {
		return err
	}
	if !added { // two accounts were verified at the same time: the first has it
		return s.refuse(ctx, tx, c, ReasonTaken.Name)
	}
	return s.end(ctx, tx, c, StatePassed, "", "realname.verified")
}

func (s *Service) load(ctx context.Context, body []byte) (c Check, st step, err error) {
	if err := json.Unmarshal(body, &st); err != nil {
		return c, st, fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		c, err = s.Store.Get(ctx, tx, st.Check)
		return err
	})
	return c, st, err
}

// resume asks for the answer of a call whose process did not live to record it.
func (s *Service) resume(ctx context.Context, body []byte) error {
	c, st, err := s.load(ctx, body)
	if err != nil || c.Ref != st.Ref {
		return err
	}
	_, err = s.step(ctx, c, nil)
	return err
}

// expire ends a check that took too long. What the checker did not answer is not
// the person's fault: the attempt is given back.
func (s *Service) expire(ctx context.Context, body []byte) error {
	c, _, err := s.load(ctx, body)
	if err != nil || c.State.over() {
		return err
	}
	return s.Runner.Do(ctx, topicExpire, func(ctx context.Context, tx work.Tx) error {
		c, err := s.Store.Get(ctx, tx, c.ID)
		if err != nil || c.State.over() {
			return err
		}
		if c.Ref == "" {
			return s.end(ctx, tx, &c, StateEnded, c.Reason, "realname.ended")
		}
		if err := s.Store.GiveBack(ctx, tx, c.Account, c.Purpose, clock.Day(c.StartedAt)); err != nil {
			return err
		}
		return s.refuse(ctx, tx, &c, ReasonAway.Name)
	})
}
