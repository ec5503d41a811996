//! Measuring a cost table on this machine: every operation of the real scheme, by degree and level.

use std::sync::Arc;

use hedgerow_crypto::ckks::{CkksError, SeededCiphertext};
use hedgerow_crypto::seed::Seed;

use super::{CostTable, Ring, Sample};
use crate::scheme::{Ckks, CkksClient, KeySet, Op, Rescale, Scheme, SchemeError};

/// Seconds since any fixed moment, best those of the CPU. A library has no clock of its own.
pub type Clock<'a> = &'a dyn Fn() -> f64;

/// Seconds of one batch of repetitions: clocks of CPU time tick in milliseconds.
const BATCH: f64 = 0.06;
/// Batches, of which the fastest counts.
const BATCHES: usize = 3;
/// Ciphertexts of a measured combination, and its sums.
const COMBINATION: (usize, usize) = (64, 16);
/// Terms of a measured inner product.
const TERMS: usize = 16;

/// Measures all operations on the current thread pool for the degrees `2^log_degree`, in two rings and at three levels each. `cache` is
/// the size of the last cache in bytes: what is taken to come from memory is three times as large.
///
/// # Errors
/// A degree for which there is no ring of 128 bits.
pub fn measure(log_degrees: &[u32], cache: u64, clock: Clock<'_>) -> Result<CostTable, SchemeError> {
    let mut samples = Vec::new();
    for &log_degree in log_degrees {
        // Rings as plans have them: small digits, and large ones.
        let (levels, dnums): (_, &[usize]) = match log_degree {
            ..=12 => (1, &[2]),
            13 => (5, &[6, 3]),
            14 => (8, &[9, 3]),
            15 => (11, &[6, 3]),
            _ => (24, &[4]),
        };
        let mut rings: Vec<Ring> = Vec::new();
        for dnum in dnums {
            let fits = Ring::choices(levels, 40, 26).into_iter();
            let fits = fits.filter(|ring| ring.log_degree == log_degree);
            rings.extend(fits.min_by_key(|ring| ring.dnum.abs_diff(*dnum)));
        }
        rings.dedup();
        if rings.is_empty() {
            let reason = format!("no ring of degree 2^{log_degree} has {levels} levels");
            return Err(SchemeError::Backend(reason));
        }
        let mut at = vec![levels, levels.div_ceil(2), 1];
        at.dedup();
        for ring in &rings {
            for &level in &at {
                samples.extend(at_level(ring, level, cache, clock)?);
            }
        }
    }
    Ok(CostTable::new(samples, cache))
}

/// The mean of the fastest batch of runs, in nanoseconds.
fn least(clock: Clock<'_>, mut run: impl FnMut() -> Result<(), SchemeError>) -> Result<f64, SchemeError> {
    run()?;
    let (mut best, mut times, mut batches) = (f64::INFINITY, 1_u64, 0);
    while batches < BATCHES {
        let begin = clock();
        for _ in 0..times {
            run()?;
        }
        let elapsed = clock() - begin;
        if elapsed < BATCH && times < 1 << 20 {
            times *= 2;
            continue;
        }
        best = best.min(elapsed / times as f64);
        batches += 1;
    }
    Ok(best * 1e9)
}

/// The mean over `count` runs that each take something else from memory, in nanoseconds.
fn cycle(
    clock: Clock<'_>,
    count: usize,
    mut run: impl FnMut(usize) -> Result<(), SchemeError>,
) -> Result<f64, SchemeError> {
    let all = least(clock, || (0..count).try_for_each(&mut run))?;
    Ok(all / count as f64)
}

fn at_level(ring: &Ring, level: usize, cache: u64, clock: Clock<'_>) -> Result<Vec<Sample>, SchemeError> {
    let params = ring
        .params()
        .map_err(|error| SchemeError::Backend(error.to_string()))?;
    // Fewer keys where they are large: those of 2^16 exceed any cache one by one.
    let key_count = (3 * cache / ring.key_bytes(level).max(1)).clamp(4, 64) as usize;
    let keys = KeySet {
        relinearization: Some(level),
        conjugation: Some(level),
        rotations: (1..=key_count).map(|step| (step, level)).collect(),
    };
    let client = CkksClient::new(&params, &Seed::from_bytes([1; 32]));
    let mut rng = Seed::from_bytes([2; 32]).rng();
    let server = Ckks::new(&params, Arc::new(client.keys(&keys, &mut rng)?))?;
    let numbers: Vec<f64> = (0..server.slots()).map(|i| (i as f64).sin()).collect();
    let fresh = client.encrypt(level, &numbers, &mut rng)?;
    let ct = fresh
        .expand(&params)
        .map_err(|error| SchemeError::Backend(error.to_string()))?;
    let (limbs, special) = (level + 1, ring.special().0);
    let digits = limbs.div_ceil(ring.alpha());
    let mut samples = Vec::new();
    let mut note = |op, warm: f64, cold: f64| {
        samples.push(Sample {
            op,
            log_degree: ring.log_degree,
            limbs,
            special,
            digits,
            warm,
            cold: cold.max(warm),
        });
    };
    let mut same = |op, run: &mut dyn FnMut() -> Result<(), SchemeError>| {
        let time = least(clock, run)?;
        note(op, time, time);
        Ok::<(), SchemeError>(())
    };

    let bytes = fresh.to_bytes();
    let refused = |error: CkksError| SchemeError::Backend(error.to_string());
    same(Op::Receive, &mut || {
        let read = SeededCiphertext::from_bytes(&params, &bytes).map_err(refused)?;
        read.expand(&params).map(drop).map_err(refused)
    })?;

    let plain = server.encode(level, || numbers.clone())?;
    let mut sum = ct.clone();
    same(Op::Add, &mut || server.add(&mut sum, &ct))?;
    same(Op::AddPlain, &mut || server.add_plain(&mut sum, &plain))?;
    same(Op::MulScalar, &mut || {
        server
            .mul_scalar(&ct, 0.5, Rescale::Lazy)
            .map(|ct| server.recycle(ct))
    })?;
    let product = server.mul_scalar(&ct, 0.5, Rescale::Lazy)?;
    let copied = |ct: &_, run: &dyn Fn(&mut _) -> Result<(), SchemeError>| {
        let mut copy = server.copy(ct);
        run(&mut copy)?;
        server.recycle(copy);
        Ok(())
    };
    let copy = least(clock, || copied(&ct, &|_| Ok(())))?;
    let rescale = least(clock, || copied(&product, &|ct| server.rescale(ct)))? - copy;
    let align = least(clock, || copied(&ct, &|ct| server.align(ct, level - 1)))? - copy;
    note(Op::Rescale, rescale, rescale);
    note(Op::Align, align, align);

    let done = |ct| server.recycle(ct);
    let many = |steps: &[i64]| {
        let turned = server.rotate_many(&ct, steps)?;
        turned.into_iter().for_each(done);
        Ok(())
    };
    let mul = least(clock, || server.mul(&ct, &ct, Rescale::Lazy).map(done))?;
    let rotate = least(clock, || server.rotate(&ct, 1).map(done))?;
    let cold_key = cycle(clock, key_count, |i| server.rotate(&ct, i as i64 + 1).map(done))?;
    note(Op::Rotate, rotate, cold_key);
    // One key: what it takes from memory more is what a rotation's takes.
    let conjugate = least(clock, || server.conjugate(&ct).map(done))?;
    note(Op::Conjugate, conjugate, conjugate + (cold_key - rotate).max(0.0));
    note(Op::Mul, mul, mul + (cold_key - rotate).max(0.0));
    // The same key four times: what one rotation more costs, with its key in the cache.
    let one = least(clock, || many(&[1]))?;
    let four = least(clock, || many(&[1; 4]))?;
    let hoisted = ((four - one) / 3.0).clamp(0.1 * rotate, 0.9 * rotate);
    let hoist = (one - hoisted).max(0.1 * rotate);
    let steps: Vec<i64> = (1..=key_count as i64).collect();
    let groups: Vec<&[i64]> = steps.chunks_exact(4).collect();
    let cold = cycle(clock, groups.len(), |i| {
        groups.get(i).map_or(Ok(()), |steps| many(steps))
    })?;
    note(Op::Hoist, hoist, hoist);
    note(Op::HoistedRotate, hoisted, 0.25 * (cold - hoist));

    let masks = (3 * cache / ring.limb_bytes(limbs)).clamp(4 * TERMS as u64, 1024) as usize / TERMS;
    let groups = (0..masks).map(|_| {
        (0..TERMS)
            .map(|_| server.prepare(level, || numbers.clone()))
            .collect()
    });
    let groups = groups.collect::<Result<Vec<Vec<_>>, _>>()?;
    let cts: Vec<_> = (0..TERMS).map(|_| ct.clone()).collect();
    let cts: Vec<_> = cts.iter().collect();
    let dot = |group: &[_]| {
        let plains: Vec<_> = group.iter().collect();
        server.dot_plain(&cts, &plains, Rescale::Lazy).map(done)
    };
    let warm = least(clock, || groups.first().map_or(Ok(()), |group| dot(group)))?;
    let cold = cycle(clock, groups.len(), |i| {
        groups.get(i).map_or(Ok(()), |group| dot(group))
    })?;
    note(Op::MulPlain, warm / TERMS as f64, cold / TERMS as f64);
    drop(groups);

    // By encrypted masks: a relinearization is what a product of one term takes beyond a term.
    let groups: Vec<Vec<_>> = (0..masks.div_ceil(2))
        .map(|_| (0..TERMS).map(|_| ct.clone()).collect())
        .collect();
    let dot = |group: &[_]| {
        let masks: Vec<_> = group.iter().collect();
        server.dot(&cts[..masks.len()], &masks, Rescale::Lazy).map(done)
    };
    let one = least(clock, || dot(std::slice::from_ref(&ct)))?;
    let warm = least(clock, || groups.first().map_or(Ok(()), |group| dot(group)))?;
    let cold = cycle(clock, groups.len(), |i| {
        groups.get(i).map_or(Ok(()), |group| dot(group))
    })?;
    let terms = (TERMS - 1) as f64;
    let term = ((warm - one) / terms).max(0.01 * one);
    note(Op::Tensor, term, term + (cold - warm).max(0.0) / TERMS as f64);
    let relinearize = (one - term).max(0.1 * one);
    note(
        Op::Relinearize,
        relinearize,
        relinearize + (cold_key - rotate).max(0.0),
    );
    drop(groups);

    let (sources, sums) = COMBINATION;
    let period = 8;
    let repeated =
        server.prepare_periodic(level, period, || numbers.iter().take(period).copied().collect())?;
    let inputs = vec![ct.clone(); sources];
    let inputs: Vec<_> = inputs.iter().collect();
    let rows = vec![vec![&repeated; sources]; sums];
    let combined = least(clock, || server.combine(&inputs, &rows).map(drop))? / (sources * sums) as f64;
    note(Op::MulPeriodic, combined, combined);
    Ok(samples)
}
