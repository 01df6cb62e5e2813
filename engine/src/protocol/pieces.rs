//! Tensors that no kernel sees at once: element-wise protocols run on pieces, each a tile of the step.
//!
//! Pieces depend on the protocol and never on an adapter, so that masks are the same everywhere.

use std::ops::Range;
use std::sync::OnceLock;

use super::{Cost, Ctx, Error, Share, Wire};
use crate::gpu::Buf;
use crate::kernels::{Columns, Element, columns};

/// Ring words that a kernel sees of a buffer on every adapter: 128 MiB, WebGPU's default limit.
pub(super) const WORDS: usize = 1 << 24;

/// Elements of a piece where buffers hold up to `words` ring words of each: a power of two, 8 at least.
pub(super) fn piece(words: usize) -> usize {
    let most = (WORDS / words.max(1)).max(8);
    1 << most.ilog2()
}

/// The pieces of `n` elements.
pub(super) fn ranges(n: usize, piece: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(piece).map(move |start| start..n.min(start + piece))
}

/// Ring words of a buffer, in the same memory.
pub(super) fn cut(b: &Buf, r: &Range<usize>) -> Buf {
    b.window(r.start as u64 * 8, r.len() as u64 * 8)
}

/// Elements of a wire, in the same memory.
fn part_of(x: &Wire, r: &Range<usize>) -> Wire {
    Wire { n: r.len(), lam: cut(&x.lam, r), delta: x.delta.as_ref().map(|d| cut(d, r)), ..x.clone() }
}

/// An element-wise protocol on pieces of a wire, or on all of it if that is no larger than a piece.
pub(super) fn in_pieces(
    ctx: &mut Ctx,
    x: &Wire,
    piece: usize,
    part: impl Fn(&mut Ctx, &Wire) -> Result<Share, Error> + Sync,
) -> Result<Share, Error> {
    if x.n <= piece {
        return part(ctx, x);
    }
    let out = ctx.is_party().then(|| ctx.rec.words(x.n)).transpose()?;
    let ranges: Vec<_> = ranges(x.n, piece).collect();
    let format = OnceLock::new();
    ctx.tiles(
        ranges.len(),
        || (),
        |ctx, (), i| {
            let r = &ranges[i];
            let y = part(ctx, &part_of(x, r))?;
            if let (Some(out), Some(y)) = (&out, &y.buf) {
                let whole = |buf| Columns { buf, stride: r.len(), start: 0 };
                columns(&mut ctx.rec, Element::Ring, (1, r.len()), whole(y), whole(&cut(out, r)))?;
            }
            format.get_or_init(|| (y.k, y.f));
            Ok(())
        },
    )?;
    let (k, f) = format.into_inner().unwrap_or((x.k, x.f));
    Ok(Share { n: x.n, k, f, buf: out })
}

/// Cost of [`in_pieces`], given that of so many elements.
pub(super) fn in_pieces_cost(
    n: usize,
    piece: usize,
    part: impl Fn(usize) -> Result<Cost, Error>,
) -> Result<Cost, Error> {
    if n <= piece {
        return part(n);
    }
    ranges(n, piece).try_fold(Cost::default(), |sum, r| Ok(sum + part(r.len())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_within_the_limit() {
        for words in [0, 1, 3, 13, 16, 17, 1 << 30] {
            let p = piece(words);
            assert!(p.is_power_of_two() && p >= 8 && (p == 8 || p * words.max(1) <= WORDS), "{words}: {p}");
            for n in [p, p + 1, 3 * p] {
                let all: Vec<_> = ranges(n, p).collect();
                assert!(all.windows(2).all(|w| w[0].end == w[1].start), "{n} in pieces of {p}");
                assert_eq!((all[0].start, all[all.len() - 1].end), (0, n));
            }
        }
        assert_eq!(piece(16), 1 << 20);
    }
}
