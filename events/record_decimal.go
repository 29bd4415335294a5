package events

import "bytes"

// exact is a decimal number of any size without loss: ±0.d₁d₂d₃… × 10^point. Zero has no digits.
type exact struct {
	negative bool
	digits   []byte // '0'–'9', neither first nor last is '0'
	point    int    // digits before the decimal point; negative for zeros behind it
}

// The numbers that a Doc may hold: every reader takes them, be it Postgres' numeric or a float64.
const (
	maxExponent = 307
	maxDigits   = 1000
	NumberMust  = "a number of at most 1000 digits between 1e-307 and 1e308"
)

// exponentLimit is far beyond maxExponent; exponents are not counted further.
const exponentLimit = 1_000_000

// parseExact reads a decimal: sign, digits with or without a point, exponent. It takes all that JSON allows and
// what people write: +1, 007, .5, 5.
func parseExact(text []byte) (exact, bool) {
	var x exact
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		x.negative = text[0] == '-'
		text = text[1:]
	}
	mantissa, exponent := text, 0
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		var ok bool
		if exponent, ok = parseExponent(text[at+1:]); !ok {
			return exact{}, false
		}
		mantissa = text[:at]
	}
	whole, fraction, pointed := bytes.Cut(mantissa, []byte{'.'})
	if len(whole)+len(fraction) == 0 || len(whole) > 0 && !isDigits(whole) || pointed && len(fraction) > 0 && !isDigits(fraction) {
		return exact{}, false
	}
	digits := make([]byte, 0, len(whole)+len(fraction))
	digits = append(append(digits, whole...), fraction...)
	significant := bytes.TrimLeft(digits, "0")
	x.point = len(whole) - (len(digits) - len(significant)) + exponent
	x.digits = bytes.TrimRight(significant, "0")
	if len(x.digits) == 0 {
		return exact{}, true
	}
	return x, true
}

// parseExponent reads an exponent, which stops counting at exponentLimit.
func parseExponent(text []byte) (int, bool) {
	negative := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		text = text[1:]
	}
	if !isDigits(text) {
		return 0, false
	}
	n := 0
	for _, c := range text {
		n = min(n*10+int(c-'0'), exponentLimit)
	}
	if negative {
		n = -n
	}
	return n, true
}

// wholeDigits and fractionDigits count the digits before and behind the point.
func (x exact) wholeDigits() int { return max(x.point, 0) }

func (x exact) fractionDigits() int { return max(len(x.digits)-x.point, 0) }

// held says whether a Doc may hold x as a number.
func (x exact) held() bool {
	return len(x.digits) == 0 ||
		len(x.digits) <= maxDigits && x.point-1 <= maxExponent && x.point-1 >= -maxExponent
}

// round cuts x to scale digits behind the point, half away from zero.
func (x exact) round(scale int) exact {
	keep := x.point + scale
	if keep >= len(x.digits) {
		return x
	}
	if keep < 0 {
		return exact{}
	}
	up := x.digits[keep] >= '5'
	x.digits = bytes.Clone(x.digits[:keep])
	for i := keep - 1; up && i >= 0; i-- {
		if x.digits[i] < '9' {
			x.digits[i]++
			up = false
		} else {
			x.digits[i] = '0'
		}
	}
	if up {
		x.digits = append([]byte{'1'}, x.digits...)
		x.point++
	}
	x.digits = bytes.TrimRight(x.digits, "0")
	if len(x.digits) == 0 {
		return exact{}
	}
	return x
}

// zeros counts the zeros that append fills in.
func (x exact) zeros() int {
	if len(x.digits) == 0 {
		return 0
	}
	return max(-x.point, x.point-len(x.digits), 0)
}

// append writes x in plain digits, without exponent. x must be held.
func (x exact) append(dst []byte) []byte {
	if len(x.digits) == 0 {
		return append(dst, '0')
	}
	if x.negative {
		dst = append(dst, '-')
	}
	if x.point <= 0 {
		dst = append(dst, '0', '.')
		dst = appendZeros(dst, -x.point)
		return append(dst, x.digits...)
	}
	if x.point >= len(x.digits) {
		dst = append(dst, x.digits...)
		return appendZeros(dst, x.point-len(x.digits))
	}
	dst = append(dst, x.digits[:x.point]...)
	dst = append(dst, '.')
	return append(dst, x.digits[x.point:]...)
}

func appendZeros(dst []byte, count int) []byte {
	for range count {
		dst = append(dst, '0')
	}
	return dst
}
