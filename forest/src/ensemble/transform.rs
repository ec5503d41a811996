//! From sums to scores, as `write_scores` of ONNX Runtime's `ml_common.h` does it.

use super::evaluate::Second;
use super::parts::Transform;
use super::steps::Real;

/// A sum, and whether any leaf has added to it: a class without votes has no score, which is not the same as 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score<T> {
    pub value: T,
    pub has: bool,
}

impl<T: Real> Score<T> {
    pub const NONE: Self = Self {
        value: T::ZERO,
        has: false,
    };

    pub const fn some(value: T) -> Self {
        Self { value, has: true }
    }

    fn get(self) -> T {
        if self.has { self.value } else { T::ZERO }
    }
}

/// Scores of a row. `second` says how the score of the other class follows where there is one score for two classes.
pub(super) fn write_scores<T: Real>(
    sums: Vec<Score<T>>,
    transform: Transform,
    second: Option<Second>,
) -> Vec<f64> {
    let values: Vec<f64> = sums.iter().map(|sum| sum.get().to_f64()).collect();
    match (values.as_slice(), second) {
        ([one], Some(Second::Complement)) => {
            let one = T::from_f64(*one);
            vec![(T::ONE - one).to_f64(), one.to_f64()]
        }
        ([one], Some(Second::Opposite)) if transform == Transform::Logistic => {
            vec![logistic(-*one as f32), logistic(*one as f32)]
        }
        ([one], Some(Second::Opposite)) => vec![-*one, *one],
        // ONNX Runtime leaves the second score as it finds the memory.
        ([one], None) => vec![*one, 0.0],
        _ => transformed::<T>(values, transform),
    }
}

fn transformed<T: Real>(values: Vec<f64>, transform: Transform) -> Vec<f64> {
    match transform {
        Transform::None => values,
        Transform::Logistic => values.into_iter().map(|x| logistic(x as f32)).collect(),
        Transform::Softmax => softmax(&values),
        Transform::SoftmaxZero => softmax_zero::<T>(&values),
    }
}

fn logistic(x: f32) -> f64 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    f64::from(if x < 0.0 { 1.0 - v } else { v })
}

fn softmax(values: &[f64]) -> Vec<f64> {
    let most = values.iter().map(|x| *x as f32).fold(f32::MIN, f32::max);
    let powers: Vec<f32> = values.iter().map(|x| (*x as f32 - most).exp()).collect();
    let sum = powers.iter().fold(0.0f32, |sum, power| sum + power);
    powers.iter().map(|power| f64::from(power / sum)).collect()
}

fn softmax_zero<T: Real>(values: &[f64]) -> Vec<f64> {
    const NEAR_ZERO: f32 = 1e-7;
    let most = values.iter().map(|x| *x as f32).fold(f32::MIN, f32::max);
    let of_zero = (-most).exp();
    let mut sum = 0.0f32;
    let powers: Vec<T> = values
        .iter()
        .map(|x| {
            let small = *x as f32;
            if small.abs() > NEAR_ZERO {
                let power = (small - most).exp();
                sum += power;
                T::from_f64(f64::from(power))
            } else {
                T::from_f64(*x) * T::from_f64(f64::from(of_zero))
            }
        })
        .collect();
    let sum = T::from_f64(f64::from(sum));
    powers.iter().map(|power| (*power / sum).to_f64()).collect()
}
