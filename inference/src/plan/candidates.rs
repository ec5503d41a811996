//! The layouts and folds that the search tries for the result of one affine map.

use super::geometry::Geometry;
use super::images;
use crate::linear::{Fold, Grid, Layout, Order};

/// One way to place the result of an affine map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// Where the result is.
    pub layout: Layout,
    /// Its partial sums.
    pub fold: Fold,
    /// Tiles along rows and columns of the result, where the rotations of one row of each residue are those of all.
    pub residues: Option<[usize; 2]>,
}

/// Layouts of the model's input, as the client packs it: repeated wherever there is room, which costs nothing.
pub(super) fn inputs(shape: &[usize], positions: usize) -> Vec<Layout> {
    let size: usize = shape.iter().product();
    if size > positions {
        return vec![Layout::Dense {
            size,
            period: positions,
            copies: 1,
        }];
    }
    let mut layouts = Vec::new();
    if let &[channels, height, width] = shape {
        let block = (height * width).next_power_of_two();
        let once = Layout::Image {
            channels,
            height,
            width,
            gap: 1,
            pitch: width,
            block,
            copies: 1,
        };
        if once.check(positions).is_ok() && once.period() <= positions {
            let copies = positions / once.period();
            layouts.push(Layout::Image {
                channels,
                height,
                width,
                gap: 1,
                pitch: width,
                block,
                copies,
            });
        }
    }
    let period = size.next_power_of_two();
    layouts.push(Layout::Dense {
        size,
        period,
        copies: positions / period,
    });
    layouts
}

/// Whether a result is once in its slots and zeros are everywhere else, whatever the slots of the input hold: what a server
/// may send. Where partial sums are added up, some are left beside; and copies of a result are the same only if those of the
/// input are, which a client need not observe.
pub(super) fn clean(layout: &Layout, fold: Fold) -> bool {
    fold == Fold::None && layout.copies() == 1
}

/// Layouts and folds of a result of `shape`, from an operand in `input` that is seen through the windows of `geometry`.
pub(super) fn outputs(
    shape: &[usize],
    input: &Layout,
    geometry: Option<&Geometry>,
    grid: Grid,
) -> Vec<Candidate> {
    let images = geometry.map_or_else(Vec::new, |geometry| images::outputs(geometry, input, grid));
    if !images.is_empty() {
        return images;
    }
    let any = |(layout, fold)| Candidate {
        layout,
        fold,
        residues: None,
    };
    vectors(shape, input, grid).into_iter().map(any).collect()
}

/// Those whose result lies as in `layout`, which any map can bring about.
pub(super) fn like(found: &mut Vec<Candidate>, layout: &Layout) {
    found.retain(|candidate| candidate.layout == *layout);
    let whole = |candidate: &Candidate| candidate.fold == Fold::None;
    if !found.iter().any(whole) && !matches!(layout, Layout::Windows(_)) {
        found.push(Candidate {
            layout: layout.clone(),
            fold: Fold::None,
            residues: None,
        });
    }
}

/// Those of any map.
fn vectors(shape: &[usize], input: &Layout, grid: Grid) -> Vec<(Layout, Fold)> {
    let mut found = around(shape, input, grid.positions);
    if grid.order == Order::BatchFirst {
        // What counts on rotations that go around: a result that repeats is had once, or not at all.
        for (layout, fold) in &mut found {
            if matches!(fold, Fold::Cyclic { .. })
                && let Layout::Dense { copies, .. } = layout
            {
                *copies = 1;
            }
        }
        found.retain(|(layout, fold)| layout.copies() == 1 && !matches!(fold, Fold::Skewed { .. }));
        let mut seen = Vec::new();
        found.retain(|one| {
            !seen.contains(one) && {
                seen.push(one.clone());
                true
            }
        });
    }
    found
}

/// Those where rotations go around.
fn around(shape: &[usize], input: &Layout, positions: usize) -> Vec<(Layout, Fold)> {
    let size: usize = shape.iter().product();
    let tiles = input.tiles(positions);
    let full = tiles == 1 && input.period() * input.copies() == positions;
    let mut found = Vec::new();
    if let (
        &[channels, height, width],
        &Layout::Image {
            gap, pitch, block, ..
        },
    ) = (shape, input)
        && height * width > 1
    {
        for factor in [1, 2, 3, 4] {
            let once = Layout::Image {
                channels,
                height,
                width,
                gap: gap * factor,
                pitch,
                block,
                copies: 1,
            };
            if once.check(positions).is_err() {
                continue;
            }
            let copies = if full && once.period() <= positions {
                positions / once.period()
            } else {
                1
            };
            if copies > 1 {
                let gap = gap * factor;
                found.push((
                    Layout::Image {
                        channels,
                        height,
                        width,
                        gap,
                        pitch,
                        block,
                        copies,
                    },
                    Fold::None,
                ));
            }
            found.push((once, Fold::None));
        }
        if !found.is_empty() {
            return found;
        }
    }
    if size > positions || tiles > 1 {
        let period = if size > positions {
            positions
        } else {
            size.next_power_of_two()
        };
        // Several ciphertexts come in: each output takes a whole one, so that every position does work.
        let wide = Layout::Dense {
            size,
            period: positions,
            copies: 1,
        };
        found.push((wide, Fold::None));
        if size <= positions && positions / period > 1 {
            let fold = Fold::Cyclic {
                period,
                count: positions / period,
            };
            found.push((
                Layout::Dense {
                    size,
                    period,
                    copies: positions / period,
                },
                fold,
            ));
        }
        return found;
    }
    let period = size.next_power_of_two();
    let once = Layout::Dense {
        size,
        period,
        copies: 1,
    };
    let all = Layout::Dense {
        size,
        period,
        copies: positions / period,
    };
    found.push((once.clone(), Fold::None));
    if full {
        found.push((all.clone(), Fold::None));
    }
    let whole = input.period().min(positions);
    if whole > period {
        let fold = Fold::Cyclic {
            period,
            count: whole / period,
        };
        found.push((
            if full || whole == positions {
                all.clone()
            } else {
                once.clone()
            },
            fold,
        ));
        if whole < positions && !full {
            found.push((
                all,
                Fold::Cyclic {
                    period,
                    count: positions / period,
                },
            ));
        }
    }
    if full && input.copies() > 1 {
        // More partial sums than periods: each copy of the input serves other diagonals.
        let mut count = 2 * (whole / period).max(1);
        while count <= whole {
            let apart = whole / count;
            let mut step = apart;
            while step < period {
                step += 2 * apart;
            }
            if (count - 1) * step + period > positions {
                break;
            }
            found.push((once.clone(), Fold::Skewed { step, count }));
            count *= 2;
        }
    }
    found
}
