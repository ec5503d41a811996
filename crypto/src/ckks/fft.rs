//! The Fourier transform of the slots: values of a real polynomial at the `N / 2` roots `zeta^(5^j)`, `zeta = exp(i pi / N)`
//! (Cheon et al., *Bootstrapping for approximate homomorphic encryption*, Eurocrypt 2018, section 4 and its library).
//!
//! With `w_k = m_k + i m_(k + N/2)` the value at slot `j` is `sum_k w_k zeta^(5^j k)`: one transform of half the length.

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    /// A complex number.
    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// The distance from 0.
    pub fn abs(self) -> f64 {
        self.re.hypot(self.im)
    }
}

/// The transform for one number of slots, a power of two.
#[derive(Debug)]
pub(super) struct Fft {
    slots: usize,
    /// For each length `2, 4, .., slots` its `length / 2` roots.
    cosines: Vec<f64>,
    sines: Vec<f64>,
    reversed: Vec<u32>,
}

impl Fft {
    pub(super) fn new(slots: usize) -> Self {
        let (mut cosines, mut sines) = (vec![0.0], vec![0.0]);
        let mut length = 2;
        while length <= slots {
            let mut power = 1;
            for _ in 0..length / 2 {
                let (sine, cosine) = turn(power, 4 * length);
                cosines.push(cosine);
                sines.push(sine);
                power = power * 5 % (4 * length);
            }
            length *= 2;
        }
        let bits = slots.trailing_zeros();
        let reverse = |index: usize| (index as u32).reverse_bits().checked_shr(32 - bits).unwrap_or(0);
        Self {
            slots,
            cosines,
            sines,
            reversed: (0..slots).map(reverse).collect(),
        }
    }

    /// Where the coefficient `index` is after [`inverse`](Self::inverse), and must be before [`forward`](Self::forward).
    pub(super) fn reversed(&self) -> &[u32] {
        &self.reversed
    }

    /// From `w` in bit-reversed order to slots.
    pub(super) fn forward(&self, re: &mut [f64], im: &mut [f64]) {
        let mut length = 2;
        while length <= self.slots {
            let half = length / 2;
            let (cosines, sines) = (&self.cosines[half..length], &self.sines[half..length]);
            for (re, im) in re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length)) {
                let ((re0, re1), (im0, im1)) = (re.split_at_mut(half), im.split_at_mut(half));
                for (((((re0, im0), re1), im1), cosine), sine) in
                    re0.iter_mut().zip(im0).zip(re1).zip(im1).zip(cosines).zip(sines)
                {
                    let (a, b) = (*re1 * cosine - *im1 * sine, *re1 * sine + *im1 * cosine);
                    (*re1, *im1) = (*re0 - a, *im0 - b);
                    (*re0, *im0) = (*re0 + a, *im0 + b);
                }
            }
            length *= 2;
        }
    }

    /// From slots to `w` times the number of slots, in bit-reversed order.
    pub(super) fn inverse(&self, re: &mut [f64], im: &mut [f64]) {
        let mut length = self.slots;
        while length >= 2 {
            let half = length / 2;
            let (cosines, sines) = (&self.cosines[half..length], &self.sines[half..length]);
            for (re, im) in re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length)) {
                let ((re0, re1), (im0, im1)) = (re.split_at_mut(half), im.split_at_mut(half));
                for (((((re0, im0), re1), im1), cosine), sine) in
                    re0.iter_mut().zip(im0).zip(re1).zip(im1).zip(cosines).zip(sines)
                {
                    let (a, b) = (*re0 - *re1, *im0 - *im1);
                    (*re0, *im0) = (*re0 + *re1, *im0 + *im1);
                    (*re1, *im1) = (a * cosine + b * sine, b * cosine - a * sine);
                }
            }
            length /= 2;
        }
    }
}

/// Sine and cosine of `2 pi part / whole`, from an angle of at most an eighth of a turn.
fn turn(part: usize, whole: usize) -> (f64, f64) {
    let quarters = (8 * part / whole).div_ceil(2);
    let rest = part as f64 - (quarters * whole) as f64 / 4.0;
    let (sine, cosine) = (std::f64::consts::TAU * rest / whole as f64).sin_cos();
    match quarters % 4 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the sum itself.
    #[test]
    fn is_the_sum_over_roots() {
        for slots in [1_usize, 2, 4, 16, 64] {
            let fft = Fft::new(slots);
            let w: Vec<Complex> = (0..slots)
                .map(|k| Complex::new((k as f64 * 1.7).sin(), (k as f64 * 0.3).cos()))
                .collect();
            let (mut re, mut im) = (vec![0.0; slots], vec![0.0; slots]);
            for (w, place) in w.iter().zip(fft.reversed()) {
                (re[*place as usize], im[*place as usize]) = (w.re, w.im);
            }
            fft.forward(&mut re, &mut im);
            let mut power = 1;
            for slot in 0..slots {
                let mut sum = Complex::default();
                for (k, w) in w.iter().enumerate() {
                    let angle =
                        std::f64::consts::PI * ((power * k) % (4 * slots)) as f64 / (2 * slots) as f64;
                    let (sine, cosine) = angle.sin_cos();
                    sum.re += w.re * cosine - w.im * sine;
                    sum.im += w.re * sine + w.im * cosine;
                }
                assert!(
                    Complex::new(re[slot] - sum.re, im[slot] - sum.im).abs() < 1e-12,
                    "{slots} {slot}"
                );
                power = power * 5 % (4 * slots);
            }
            fft.inverse(&mut re, &mut im);
            for (w, place) in w.iter().zip(fft.reversed()) {
                let (re, im) = (re[*place as usize], im[*place as usize]);
                let n = slots as f64;
                assert!(Complex::new(re / n - w.re, im / n - w.im).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn turns_are_sines_and_cosines() {
        for part in 0..32 {
            let (sine, cosine) = turn(part, 32);
            let (expected_sine, expected_cosine) = (std::f64::consts::TAU * part as f64 / 32.0).sin_cos();
            assert!(
                (sine - expected_sine).abs() < 1e-15 && (cosine - expected_cosine).abs() < 1e-15,
                "{part}"
            );
        }
    }
}
