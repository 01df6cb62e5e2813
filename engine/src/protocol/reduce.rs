//! Sums of groups of elements: of rows, or of groups of channels of images. Local.

use super::{Ctx, Error, Share, Wire};
use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// Which elements of `[n, positions, channels]` are summed: those of each of `groups` groups of neighbouring channels of an
/// image. Sums come in the order `[n, groups]`.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    n: usize,
    positions: usize,
    channels: usize,
    groups: usize,
}

/// Some images, and some positions of each.
struct Part {
    images: std::ops::Range<usize>,
    positions: std::ops::Range<usize>,
}

impl Groups {
    /// Rows of `[rows, cols]`.
    pub fn rows(rows: usize, cols: usize) -> Self {
        Self::channels(rows, 1, cols, 1)
    }

    /// Channel groups of `[n, positions, channels]`.
    pub fn channels(n: usize, positions: usize, channels: usize, groups: usize) -> Self {
        Self { n, positions, channels, groups }
    }

    /// Number of groups.
    pub fn count(&self) -> usize {
        self.n * self.groups
    }

    /// Runs a summing kernel, and again on what is left, so that few large groups still fill a device and no kernel sees
    /// more of a buffer than it may. Sums modulo 2^64 are the same in any order.
    pub(super) fn run(
        &self,
        rec: &mut Recorder,
        kernel: &Kernel,
        x: &Buf,
        lam: Option<&Buf>,
        first: u32,
    ) -> Result<Buf, GpuError> {
        let (images, positions) = self.parts(rec)?;
        let width = self.channels / self.groups;
        let (per_image, most) = (self.positions.div_ceil(positions), positions.min(self.positions) * width);
        let sums = (most / 64).clamp(1, 64);
        let partial = rec.words(self.count() * per_image * sums)?;
        for image in (0..self.n).step_by(images) {
            for (nth, position) in (0..self.positions).step_by(positions).enumerate() {
                let part = Part {
                    images: image..self.n.min(image + images),
                    positions: position..self.positions.min(position + positions),
                };
                let to = (per_image * sums, image * self.groups * per_image * sums + nth * sums);
                self.part(rec, kernel, (x, lam, first), &part, (&partial, sums), to)?;
            }
        }
        match per_image * sums {
            1 => Ok(partial),
            // Far fewer words than before.
            all => Groups::rows(self.count(), all).run(rec, &Kernel::new("reduce"), &partial, None, 0),
        }
    }

    /// Images and positions of each that a dispatch sees: all of them where they fit.
    fn parts(&self, rec: &Recorder) -> Result<(usize, usize), GpuError> {
        let (limit, row) = (rec.gpu().max_binding(), self.channels);
        let image = self.positions * row;
        if (self.n * image * 8).next_multiple_of(64) as u64 <= limit {
            return Ok((self.n.max(1), self.positions.max(1)));
        }
        // A window begins a little before its first element.
        let words = (limit.saturating_sub(2 * rec.gpu().alignment()) / 8) as usize;
        match (words / image, words / row) {
            (0, 0) => Err(GpuError::TooLarge { bytes: row as u64 * 8, limit }),
            (0, positions) => Ok((1, positions)),
            (images, _) => Ok((images, self.positions)),
        }
    }

    fn part(
        &self,
        rec: &mut Recorder,
        kernel: &Kernel,
        (x, lam, first): (&Buf, Option<&Buf>, u32),
        part: &Part,
        (out, sums): (&Buf, usize),
        (out_row, out_start): (usize, usize),
    ) -> Result<(), GpuError> {
        let image = self.positions * self.channels;
        let start = part.images.start * image + part.positions.start * self.channels;
        let end = (part.images.end - 1) * image + part.positions.end * self.channels;
        let whole = part.images.len() == self.n && part.positions.len() == self.positions;
        let from = if whole { 0 } else { start as u64 * 8 / rec.gpu().alignment() * rec.gpu().alignment() };
        let cut = |buf: &Buf| if whole { buf.clone() } else { buf.window(from, end as u64 * 8 - from) };
        let (groups, width) = (part.images.len() * self.groups, self.channels / self.groups);
        let args = args![groups: groups, parts: sums, len: part.positions.len() * width, offset: start - from as usize / 8,
            jd: self.groups, jo: image, ji: width, rd: width, ro: self.channels, first: first, out_row: out_row,
            out_start: out_start];
        let x = cut(x);
        match lam.map(cut) {
            Some(lam) => rec.run(kernel, args, bufs![x: &x, lam: &lam, out: out], groups * sums),
            None => rec.run(kernel, args, bufs![x: &x, out: out], groups * sums),
        }
    }
}

/// Sums of groups.
pub fn reduce(ctx: &mut Ctx, x: &Share, groups: &Groups) -> Result<Share, Error> {
    let buf = match &x.buf {
        Some(b) => Some(groups.run(&mut ctx.rec, &Kernel::new("reduce"), b, None, 0)?),
        None => None,
    };
    Ok(Share { n: groups.count(), buf, ..x.clone() })
}

/// Sums of groups of an open wire, as a wire in the same ring, which must hold them.
pub(super) fn reduce_wire(ctx: &mut Ctx, x: &Wire, groups: &Groups) -> Result<Wire, Error> {
    let mut sum = |b: &Buf| groups.run(&mut ctx.rec, &Kernel::new("reduce"), b, None, 0);
    let delta = x.delta.as_ref().map(&mut sum).transpose()?;
    Ok(Wire { n: groups.count(), delta, lam: sum(&x.lam)?, fresh: false, ..*x })
}
