package content

import (
	"math"
	"math/bits"
)

// operands reads both sides of a calculation; what is no number counts as 0. Whole is true
// when both are whole numbers.
func operands(in value, args []value) (a, b value, whole bool) {
	a, b = zeroed(in), zeroed(args[0])
	return a, b, a.kind == integer && b.kind == integer
}

func zeroed(v value) value {
	n, ok := v.number()
	if !ok {
		return intValue(0)
	}
	n.s = ""
	return n
}

// plus and its like stay with whole numbers as long as these do not overflow.
func plus(_ *render, in value, args []value) value {
	a, b, whole := operands(in, args)
	if sum := a.n + b.n; whole && (sum > a.n) == (b.n > 0) {
		return intValue(sum)
	}
	return floatValue(a.real() + b.real())
}

func minus(_ *render, in value, args []value) value {
	a, b, whole := operands(in, args)
	if difference := a.n - b.n; whole && (difference < a.n) == (b.n > 0) {
		return intValue(difference)
	}
	return floatValue(a.real() - b.real())
}

func times(_ *render, in value, args []value) value {
	a, b, whole := operands(in, args)
	if whole {
		high, low := bits.Mul64(magnitude(a.n), magnitude(b.n))
		if high == 0 && low <= math.MaxInt64 {
			return intValue(a.n * b.n)
		}
	}
	return floatValue(a.real() * b.real())
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// dividedBy rounds down between whole numbers, as Liquid does; by zero it gives nothing.
func dividedBy(_ *render, in value, args []value) value {
	a, b, whole := operands(in, args)
	if b.real() == 0 {
		return value{kind: null}
	}
	if !whole {
		return floatValue(a.real() / b.real())
	}
	quotient := a.n / b.n
	if a.n%b.n != 0 && (a.n < 0) != (b.n < 0) {
		quotient--
	}
	return intValue(quotient)
}

func modulo(_ *render, in value, args []value) value {
	a, b, whole := operands(in, args)
	if b.real() == 0 {
		return value{kind: null}
	}
	if !whole {
		return floatValue(a.real() - b.real()*math.Floor(a.real()/b.real()))
	}
	rest := a.n % b.n
	if rest != 0 && (rest < 0) != (b.n < 0) {
		rest += b.n
	}
	return intValue(rest)
}

// roundTo gives a whole number, or one with so many decimals (at most 15).
func roundTo(_ *render, in value, args []value) value {
	v := zeroed(in)
	digits := int64(0)
	if len(args) > 0 {
		digits, _ = whole(args[0])
	}
	if v.kind == integer {
		return v
	}
	if digits <= 0 {
		return toInteger(math.Round(v.float()))
	}
	scale := math.Pow10(int(min(digits, 15)))
	if scaled := v.float() * scale; math.Abs(scaled) < 1<<53 {
		return floatValue(math.Round(scaled) / scale)
	}
	return v
}

func ceil(_ *render, in value, _ []value) value  { return wholeBy(in, math.Ceil) }
func floor(_ *render, in value, _ []value) value { return wholeBy(in, math.Floor) }

func wholeBy(in value, by func(float64) float64) value {
	v := zeroed(in)
	if v.kind == integer {
		return v
	}
	return toInteger(by(v.float()))
}

func abs(_ *render, in value, _ []value) value {
	v := zeroed(in)
	if v.kind == float {
		return floatValue(math.Abs(v.float()))
	}
	if v.n < 0 && v.n != math.MinInt64 {
		return intValue(-v.n)
	}
	return v
}

// toInteger keeps a float that no integer can hold.
func toInteger(f float64) value {
	if f >= math.MinInt64 && f < math.MaxInt64 {
		return intValue(int64(f))
	}
	return floatValue(f)
}

// truncated cuts the fraction off, and stays within what an integer holds.
func truncated(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}
