//! Hybrid key switching: from `c s'` to a pair under `s`, with noise that does not depend on the modulus.
//!
//! `c` is cut into digits modulo products of primes; each digit is raised to all primes and the special ones, multiplied by
//! its part of the key, which encrypts `P g s'` for the digit's gadget factor `g`, and the sum is divided by the product `P`
//! of the special primes (Han and Ki, *Better bootstrapping for approximate homomorphic encryption*, CT-RSA 2020, section
//! 3). Pairs are kept prime by prime, `[primes, 2, N]`.

use super::eval_key::SwitchingKey;
use super::parallel::{Rooms, Words, words};
use super::params::{MAX_DIGIT, Params};
use crate::ring::simd;
use crate::ring::{Eval, Poly};

/// The most digits of a key switch.
const MAX_DIGITS: usize = super::params::MAX_LEVELS as usize + 1;

/// Room for key switches, reused from one to the next.
#[derive(Debug)]
pub(super) struct Room {
    /// `[chain, N]`: shares of the digits.
    pub(super) shares: Words,
    /// `[chain + special, 2, N]`.
    pub(super) extended: Words,
    pub(super) workers: Rooms,
}

impl Room {
    pub(super) fn new(params: &Params) -> Self {
        let degree = params.degree();
        let chain = params.levels() + 1;
        let digits = params.digits(params.levels());
        Self {
            shares: words(chain * degree),
            extended: words((chain + params.special_primes()) * 2 * degree),
            workers: Rooms::new(digits.max(2) * degree),
        }
    }
}

/// The raised digits of a polynomial, `[chain + special, digits, N]`: what several key switches of it share.
#[derive(Debug)]
pub(super) struct Raised(Words);

/// What the digits are taken from.
#[derive(Clone, Copy)]
pub(super) enum Digits<'a> {
    /// Shares and values of the chain, raised on the way.
    Shares { shares: &'a [u64], values: &'a [u64] },
    /// Digits raised before.
    Raised(&'a Raised),
}

/// The shares of all digits of a polynomial given by its values.
pub(super) fn shares(params: &Params, level: usize, values: &[u64], shares: &mut [u64], workers: &mut Rooms) {
    let degree = params.degree();
    let length = (level + 1) * degree;
    let tasks = values[..length]
        .chunks_exact(degree)
        .zip(shares[..length].chunks_exact_mut(degree))
        .enumerate();
    let alpha = params.digit(0, params.levels()).len();
    workers.for_each(length, tasks, |(index, (values, shares)), _| {
        let digit = params.digit(index / alpha, level);
        shares.copy_from_slice(values);
        let conversion = &params.tables().up[index / alpha][digit.len() - 1];
        conversion.source(index - digit.start, params.limb(index), shares);
    });
}

/// One digit modulo one prime, among all primes.
fn raise(params: &Params, level: usize, digit: usize, prime: usize, shares: &[u64], out: &mut [u64]) {
    let degree = params.degree();
    let range = params.digit(digit, level);
    let conversion = &params.tables().up[digit][range.len() - 1];
    let sources = &shares[range.start * degree..range.end * degree];
    conversion.target(prime, params.limb(prime), sources, out);
}

impl Raised {
    /// No digits yet.
    pub(super) fn empty() -> Self {
        Self(words(0))
    }

    /// Raises all digits of a polynomial given by its values.
    pub(super) fn fill(&mut self, params: &Params, level: usize, values: &[u64], room: &mut Room) {
        shares(params, level, values, &mut room.shares, &mut room.workers);
        let degree = params.degree();
        let digits = params.digits(level);
        let primes = params.extended(level);
        let length = primes.len() * digits * degree;
        if self.0.len() < length {
            self.0.resize(length, 0);
        }
        let shares = &room.shares[..];
        let tasks = primes.zip(self.0[..length].chunks_exact_mut(digits * degree));
        room.workers.for_each(length, tasks, |(prime, raised), _| {
            for (digit, out) in raised.chunks_exact_mut(degree).enumerate() {
                if params.digit(digit, level).contains(&prime) {
                    out.copy_from_slice(&values[prime * degree..][..degree]);
                } else {
                    raise(params, level, digit, prime, shares, out);
                }
            }
        });
    }
}

/// The sums of products of all digits with a key, modulo all primes of the level and the special ones, and to them `P`
/// times what is given to add to the first and to the second half.
#[allow(clippy::too_many_arguments)]
pub(super) fn inner(
    params: &Params,
    level: usize,
    digits: Digits<'_>,
    key: &SwitchingKey,
    add: [Option<&Poly<Eval>>; 2],
    extended: &mut [u64],
    workers: &mut Rooms,
) {
    let degree = params.degree();
    let count = params.digits(level);
    let primes = params.extended(level);
    let length = primes.len() * 2 * degree;
    let tasks = primes
        .zip(extended[..length].chunks_exact_mut(2 * degree))
        .enumerate();
    workers.for_each(length * count, tasks, |(index, (prime, pair)), room| {
        let limb = params.limb(prime);
        let mut sources: [&[u64]; MAX_DIGITS] = [&[]; MAX_DIGITS];
        match digits {
            Digits::Raised(raised) => {
                let words = raised.0[index * count * degree..][..count * degree].chunks_exact(degree);
                sources
                    .iter_mut()
                    .zip(words)
                    .for_each(|(source, words)| *source = words);
            }
            Digits::Shares { shares, values } => {
                let room = room[..count * degree].chunks_exact_mut(degree);
                for ((digit, source), out) in sources.iter_mut().enumerate().zip(room) {
                    *source = if params.digit(digit, level).contains(&prime) {
                        &values[prime * degree..][..degree]
                    } else {
                        raise(params, level, digit, prime, shares, out);
                        out
                    };
                }
            }
        }
        let mut keys: [[&[u64]; MAX_DIGITS]; 2] = [[&[]; MAX_DIGITS]; 2];
        for digit in 0..count {
            for (half, keys) in keys.iter_mut().enumerate() {
                keys[digit] = key.limb(digit, half, prime);
            }
        }
        let (first, second) = pair.split_at_mut(degree);
        let [keys0, keys1] = &keys;
        simd::dot_pair(
            first,
            second,
            &sources[..count],
            &keys0[..count],
            &keys1[..count],
            limb.reducer(),
        );
        if prime <= level {
            for (half, add) in [first, second].into_iter().zip(add) {
                if let Some(add) = add {
                    simd::add_scaled(
                        half,
                        add.limb(prime),
                        params.tables().special[prime],
                        limb.reducer(),
                    );
                }
            }
        }
    });
}

/// Divides polynomials modulo all primes of the level and the special ones, `[primes, width, N]`, by `P`, and by the
/// prime of the level if that is asked for, rounding. What is modulo one prime of the result goes to `finish` with what
/// is given for that prime.
#[allow(clippy::too_many_arguments)]
pub(super) fn divide<T: Send>(
    params: &Params,
    level: usize,
    width: usize,
    rescale: bool,
    extended: &mut [u64],
    workers: &mut Rooms,
    outs: impl Iterator<Item = T> + Send,
    finish: impl Fn(usize, &[u64], T) + Sync,
) {
    let row = width * params.degree();
    let tables = params.tables();
    let kept = level + 1 - usize::from(rescale);
    let (conversion, inverses) = if rescale {
        (&tables.down_rescaled[level], &tables.both_inverse[level])
    } else {
        (&tables.down, &tables.special_inverse)
    };
    let primes = params.extended(level);
    let (chain, rest) = extended[..primes.len() * row].split_at_mut(kept * row);
    let length = rest.len();
    let tasks = primes.skip(kept).zip(rest.chunks_exact_mut(row)).enumerate();
    workers.for_each(length, tasks, |(index, (prime, words)), _| {
        conversion.source(index, params.limb(prime), words);
    });
    let (length, rest) = (chain.len(), &*rest);
    let tasks = chain.chunks_exact_mut(row).zip(outs).enumerate();
    workers.for_each(length, tasks, |(prime, (words, out)), room| {
        let limb = params.limb(prime);
        let room = &mut room[..row];
        conversion.target(prime, limb, rest, room);
        simd::sub_scale(words, room, inverses[prime], limb.reducer());
        finish(prime, words, out);
    });
}

/// Divides polynomials at a level by its prime, rounding, and drops the level.
pub(super) fn rescale(params: &Params, level: usize, parts: &mut [Poly<Eval>], room: &mut Room) {
    let degree = params.degree();
    let conversion = &params.tables().rescale[level];
    let inverses = &params.tables().last_inverse[level];
    for part in parts {
        let (chain, last) = part.words_mut().split_at_mut(level * degree);
        conversion.source(0, params.limb(level), last);
        let (length, last) = (chain.len(), &*last);
        let tasks = chain.chunks_exact_mut(degree).enumerate();
        room.workers.for_each(length, tasks, |(prime, words), room| {
            let limb = params.limb(prime);
            let room = &mut room[..degree];
            conversion.target(prime, limb, last, room);
            simd::sub_scale(words, room, inverses[prime], limb.reducer());
        });
        part.truncate(params.basis(level - 1));
    }
}

const _: () = assert!(MAX_DIGIT < simd::MAX_PRODUCTS);
