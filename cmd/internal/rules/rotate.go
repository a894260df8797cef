package rules

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// day is the unit of rotate_after: 24 hours, whatever clocks are put forward or back.
const day = 24 * time.Hour

// rotateAfter reads how long a rule's values may stay the same. sops passes over the
// key, in both of its spellings.
func (r *ruleReader) rotateAfter(key string) setter {
	return func(n *yaml.Node) error {
		var text string
		if err := r.text(&text, r.what+": "+key)(n); err != nil || text == "" {
			return err
		}
		if r.rule.RotateAfter != 0 {
			return r.fail(n, "%s: rotate_after and rotateAfter are the same", r.what)
		}
		after, ok := parseAge(text)
		if !ok {
			return r.fail(n, "%s: %s must be a time such as 90d, 12w, 6m (of 30 days), 1y (of 365 days) or 36h", r.what, key)
		}
		r.rule.RotateAfter = after
		return nil
	}
}

// parseAge reads a whole number of days, weeks, months or years, or a duration as Go
// writes it in hours and less; a lone m is months, for nobody rotates by the minute.
func parseAge(text string) (time.Duration, bool) {
	units := map[byte]time.Duration{'d': day, 'w': 7 * day, 'm': 30 * day, 'y': 365 * day}
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, false
	}
	if unit, ok := units[text[len(text)-1]]; ok {
		if n, err := strconv.ParseUint(text[:len(text)-1], 10, 32); err == nil {
			const most = 200 * 365 * day
			if n == 0 || n > uint64(most/unit) {
				return 0, false
			}
			return time.Duration(n) * unit, true
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}
