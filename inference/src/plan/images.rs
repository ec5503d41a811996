//! Layouts of images that a convolution goes between: multiplexed, interleaved over tiles, or as windows.

use super::candidates::Candidate;
use super::geometry::{Geometry, gcd};
use crate::linear::{Fold, Grid, Interleaved, Layout, Order, StepCost, Windows};

/// Most tiles of an interleaved input, or of one as windows.
const MOST_TILES: usize = 1 << 10;
/// How many packings of an interleaved input are counted exactly, of all that are priced.
const EXACT: usize = 3;

/// What single operations cost, to price a packing before it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    /// Rotations.
    pub steps: StepCost,
    /// A term of an inner product.
    pub term: f64,
    /// A rotation of the result.
    pub after: f64,
    /// Reading one input ciphertext.
    pub receive: f64,
}

fn powers(most: usize) -> impl Iterator<Item = usize> {
    (0..=most.max(1).ilog2()).map(|k| 1 << k)
}

/// Interleaved packings of an input for the convolution that sees it first: the cheapest of all, by formula, and the one of
/// the fewest ciphertexts; of those that the maps in `all` between images can stride over. Adds to `seen` how many were priced.
pub(super) fn interleaved<'a>(
    geometry: &Geometry,
    all: impl Iterator<Item = &'a Geometry> + Clone,
    positions: usize,
    prices: &Prices,
    seen: &mut u64,
) -> Vec<Layout> {
    let [channels, height, width] = geometry.image;
    let along = |axis: usize| {
        let (size, stride) = (geometry.image[axis + 1], geometry.stride[axis]);
        let twice = powers(size);
        let mut tiles: Vec<usize> = twice
            .flat_map(|k| [k, k * stride])
            .filter(|&k| k <= size)
            .collect();
        tiles.sort_unstable();
        tiles.dedup();
        tiles
    };
    let mut found: Vec<(f64, usize, Interleaved)> = Vec::new();
    for &rows in &along(0) {
        for &columns in &along(1) {
            let strided = |tiles, next: &Geometry| Some(next.strided(tiles)?.0);
            if rows * columns == 1 || all.clone().try_fold([rows, columns], strided).is_none() {
                continue;
            }
            let pitch = width.div_ceil(columns);
            let block = (height.div_ceil(rows) * pitch).next_power_of_two();
            if block > positions {
                continue;
            }
            let room = (positions / block).min(channels.next_power_of_two());
            for planes in powers(room) {
                let image = Interleaved {
                    channels,
                    height,
                    width,
                    rows,
                    columns,
                    gap: 1,
                    pitch,
                    block,
                    planes,
                    copies: positions / (planes * block),
                };
                let layout = Layout::Interleaved(image.clone());
                let tiles = layout.tiles(positions);
                if tiles > MOST_TILES || layout.check(positions).is_err() {
                    continue;
                }
                *seen += 1;
                let price = price(geometry, &image, positions, prices) + tiles as f64 * prices.receive;
                found.push((price, tiles, image));
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let small = found.iter().min_by_key(|(_, tiles, _)| *tiles).cloned();
    found.truncate(EXACT);
    if let Some(small) = small
        && !found.contains(&small)
    {
        found.push(small);
    }
    found
        .into_iter()
        .map(|(_, _, image)| Layout::Interleaved(image))
        .collect()
}

/// Seconds of the convolution about, its channels by diagonals or by partial sums (HElayers, PETS 2023, section 5).
fn price(geometry: &Geometry, image: &Interleaved, positions: usize, prices: &Prices) -> f64 {
    // Tiles of the result along a dimension, and (all, not turned) tiles that their windows see.
    let along = |axis: usize, tiles: usize| {
        let stride = geometry.stride[axis];
        let kept = tiles / gcd(tiles, stride);
        let offset = |a: usize, tap: usize| (a * stride + tap) as i64 - geometry.pads[axis] as i64;
        let mut sources = std::collections::BTreeSet::new();
        for a in 0..kept {
            for tap in 0..geometry.kernel[axis] {
                let at = offset(a, tap);
                sources.insert((at.rem_euclid(tiles as i64), at.div_euclid(tiles as i64)));
            }
        }
        let still = sources.iter().filter(|(_, turns)| *turns == 0).count();
        (kept, sources.len(), still)
    };
    let (tall, all_tall, still_tall) = along(0, image.rows);
    let (wide, all_wide, still_wide) = along(1, image.columns);
    let kept = tall * wide;
    let groups = image.channels.div_ceil(image.planes);
    let turned = groups * (all_tall * all_wide - still_tall * still_wide);
    let inputs = groups * image.rows * image.columns;
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let filters = |each: usize| geometry.filters.div_ceil(each);
    let term = prices.term;
    // By diagonals: as many channels of the result in a tile as of the operand.
    let room = positions / image.block;
    let terms = taps * kept * groups * filters(image.planes) * image.planes;
    let rotations = turned * image.planes + inputs * (image.planes - 1);
    let diagonals = terms as f64 * term + rotations as f64 * prices.steps.hoisted;
    // By partial sums: a filter for every copy.
    let copies = (room / image.planes).max(1);
    let terms = taps * kept * groups * filters(copies);
    let folds = image.planes.ilog2() as usize * kept * filters(copies);
    let sums = terms as f64 * term + turned as f64 * prices.steps.hoisted + folds as f64 * prices.after;
    let hoists = if turned > 0 {
        inputs as f64 * prices.steps.hoist
    } else {
        0.0
    };
    diagonals.min(sums) + hoists
}

/// An input as the windows that the convolution sees: all numbers of taps in a ciphertext.
pub(super) fn windows(geometry: &Geometry, positions: usize, seen: &mut u64) -> Vec<Layout> {
    let [channels, height, width] = geometry.image;
    let count = geometry.windows[0] * geometry.windows[1];
    let taps = geometry.taps();
    let mut found = Vec::new();
    let mut note = |block: usize, each: usize| {
        let once = Windows {
            channels,
            height,
            width,
            kernel: geometry.kernel,
            stride: geometry.stride,
            pads: geometry.pads,
            windows: geometry.windows,
            block,
            taps: each,
            copies: 1,
        };
        let period = Layout::Windows(once.clone()).period();
        let layout = Layout::Windows(Windows {
            copies: (positions / period).max(1),
            ..once
        });
        *seen += 1;
        if layout.check(positions).is_ok() && layout.tiles(positions) <= MOST_TILES {
            found.push(layout);
        }
    };
    let block = count.next_power_of_two();
    for each in powers(positions / block) {
        if each < 2 * taps {
            note(block, each);
        }
    }
    if !count.is_power_of_two() && taps * count <= positions {
        // All taps in one ciphertext, one after the other without room between them.
        note(count, taps);
    }
    found
}

/// Layouts of the result of a convolution whose operand is in `input`; none where that is no image, or the result does not
/// fit beside it.
pub(super) fn outputs(geometry: &Geometry, input: &Layout, grid: Grid) -> Vec<Candidate> {
    match input {
        &Layout::Image {
            channels,
            height,
            width,
            gap,
            pitch,
            block,
            copies,
        } => {
            let operand = Interleaved {
                channels,
                height,
                width,
                rows: 1,
                columns: 1,
                gap,
                pitch,
                block,
                planes: channels.div_ceil(gap * gap).min(grid.positions / block),
                copies,
            };
            from_image(geometry, &operand, input.period(), grid)
        }
        Layout::Interleaved(operand) => from_image(geometry, operand, input.period(), grid),
        Layout::Windows(operand) => from_windows(geometry, operand, grid),
        Layout::Dense { .. } => Vec::new(),
    }
}

fn from_image(geometry: &Geometry, operand: &Interleaved, period: usize, grid: Grid) -> Vec<Candidate> {
    let Grid { positions, order, .. } = grid;
    let Some((tiles, factor)) = geometry.strided([operand.rows, operand.columns]) else {
        return Vec::new();
    };
    let full = operand.copies * period == positions;
    let gap = operand.gap * factor;
    let [height, width] = geometry.windows;
    let [rows, columns] = [tiles[0].min(height), tiles[1].min(width)];
    if [rows, columns] != tiles {
        return Vec::new();
    }
    let all = geometry.filters.div_ceil(gap * gap);
    let mut found = Vec::new();
    // Partial sums of so many planes of the operand, in as many planes of the result.
    let most = if full { operand.planes } else { 1 };
    for count in powers(most.next_power_of_two()) {
        let block = operand.block * count;
        if block > positions {
            break;
        }
        let room = (positions / block).min(all.next_power_of_two());
        let mut choices = vec![room];
        if rows * columns > 1 {
            choices.extend([operand.planes.next_power_of_two().min(room), 1]);
        }
        choices.dedup();
        for planes in choices {
            let result = Interleaved {
                channels: geometry.filters,
                height,
                width,
                rows,
                columns,
                gap,
                pitch: operand.pitch,
                block,
                planes,
                copies: 1,
            };
            // What is beside a partial sum is another's.
            if height.div_ceil(rows) * gap * operand.pitch > operand.block {
                return Vec::new();
            }
            let repeats = full && order == Order::BatchLast;
            push(&mut found, result, (operand.block, count), repeats, positions);
        }
    }
    found
}

fn from_windows(geometry: &Geometry, operand: &Windows, grid: Grid) -> Vec<Candidate> {
    let Grid { positions, order, .. } = grid;
    let [height, width] = geometry.windows;
    if operand.windows != geometry.windows || operand.kernel != geometry.kernel {
        return Vec::new();
    }
    let mut found = Vec::new();
    let full = (operand.taps * operand.block).next_power_of_two() * operand.copies == positions;
    let most = if full && operand.block.is_power_of_two() {
        operand.taps
    } else {
        1
    };
    for count in powers(most) {
        let block = operand.block * count;
        let room = positions / block;
        if room == 0 {
            break;
        }
        let planes = match operand.block.is_power_of_two() {
            true => room.min(geometry.filters.next_power_of_two()),
            false => room.min(geometry.filters),
        };
        let result = Interleaved {
            channels: geometry.filters,
            height,
            width,
            rows: 1,
            columns: 1,
            gap: 1,
            pitch: width,
            block,
            planes,
            copies: 1,
        };
        let repeats = full && order == Order::BatchLast;
        push(&mut found, result, (operand.block, count), repeats, positions);
    }
    found
}

/// The result of `count` partial sums, `step` apart, once, and repeated where there is room and its operand is; as a
/// multiplexed image where it is one.
fn push(
    found: &mut Vec<Candidate>,
    result: Interleaved,
    (step, count): (usize, usize),
    repeats: bool,
    positions: usize,
) {
    let fold = match count {
        1 => Fold::None,
        _ => Fold::Skewed { step, count },
    };
    let residues = Some([result.rows, result.columns]);
    let once = Layout::Interleaved(result.clone());
    if once.check(positions).is_err() {
        return;
    }
    let room = positions / once.period();
    let copies = if repeats && room > 1 {
        vec![room, 1]
    } else {
        vec![1]
    };
    for copies in copies {
        let result = Interleaved {
            copies,
            ..result.clone()
        };
        let planes = result.channels.div_ceil(result.gap * result.gap);
        let whole = planes <= result.planes || result.planes * result.block == positions;
        let single = [result.rows, result.columns] == [1, 1] && whole;
        let image = Layout::Image {
            channels: result.channels,
            height: result.height,
            width: result.width,
            gap: result.gap,
            pitch: result.pitch,
            block: result.block,
            copies,
        };
        let layout = match single && image.check(positions).is_ok() {
            true => image,
            false => Layout::Interleaved(result),
        };
        found.push(Candidate {
            layout,
            fold,
            residues,
        });
    }
}
