//! Which width of panels makes products fastest on an adapter: measured once, kept by whoever asked.

use std::time::Instant;

use super::pack_b::widths;
use super::{Format, Mode, Packed, Strided, matmul, pack};
use crate::gpu::{AdapterChoice, Buf, Gpu, GpuError, Recorder, Tiles};

/// Extents of the product that is timed.
const SIZE: usize = 512;
/// A measurement lasts this long at least, in seconds, as long as it needs no more products than this.
const LEAST_S: f64 = 0.02;
const MOST: usize = 64;
/// Measurements, of which the fastest counts.
const REPEAT: usize = 4;
/// By so much a width must beat the built-in rule's.
const GAIN: f64 = 1.05;

/// A measured product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Of the right-hand side.
    pub format: Format,
    /// Columns of its panels.
    pub width: usize,
    /// Multiply-adds a second.
    pub rate: f64,
    /// Whether the built-in rule would take it.
    pub rule: bool,
}

/// Times every width for every format on an adapter, 512 x 512 by 512 x 512. Takes some seconds at first, most of it
/// compilation. Widths take turns, so that other load meets all of them.
pub fn measure(choice: &AdapterChoice) -> Result<Vec<Timing>, GpuError> {
    let mut all = vec![];
    for format in [Format::Ring, Format::I32, Format::I16, Format::F32] {
        let rule = Product::new(choice, Tiles::default(), format)?.width();
        let products = widths(format).iter().map(|w| Product::new(choice, format.only(*w as u8), format));
        let mut products = products.collect::<Result<Vec<_>, _>>()?;
        let mut best = vec![f64::INFINITY; products.len()];
        for _ in 0..REPEAT {
            for (product, best) in products.iter_mut().zip(&mut best) {
                let times = ((LEAST_S / product.seconds(1)?.max(1e-9)).ceil() as usize).clamp(1, MOST);
                *best = best.min(product.seconds(times)?);
            }
        }
        let rate = |s: f64| (SIZE * SIZE * SIZE) as f64 / s;
        let timing =
            |(p, s): (&Product, &f64)| Timing { format, width: p.width(), rate: rate(*s), rule: p.width() == rule };
        all.extend(products.iter().zip(&best).map(timing));
    }
    Ok(all)
}

/// A product on a device of its own.
struct Product {
    rec: Recorder,
    a: Buf,
    b: Packed,
    out: Buf,
}

impl Product {
    fn new(choice: &AdapterChoice, tiles: Tiles, format: Format) -> Result<Self, GpuError> {
        let mut rec = Recorder::new(Gpu::open(&AdapterChoice { tiles, ..choice.clone() })?);
        let bytes = SIZE * SIZE * format.element().bytes();
        let (a, b, out) = (rec.upload(&vec![0; bytes])?, rec.upload(&vec![0; bytes])?, rec.alloc(bytes)?);
        let b = pack(&mut rec, format, &b, Strided::rows(SIZE), SIZE, SIZE)?;
        Ok(Self { rec, a, b, out })
    }

    fn width(&self) -> usize {
        self.b.width
    }

    /// Seconds of a product, the average of some.
    fn seconds(&mut self, times: usize) -> Result<f64, GpuError> {
        let (rows, element) = (Strided::rows(SIZE), self.b.format().element());
        let start = Instant::now();
        for _ in 0..times {
            matmul(&mut self.rec, element, Mode::Set, &self.a, rows, &self.b, &self.out, rows, SIZE)?;
        }
        self.rec.read(&[(&self.out, 4)])?;
        Ok(start.elapsed().as_secs_f64() / times as f64)
    }
}

/// The widths to take: the fastest where it beats the built-in rule clearly.
pub fn fastest(timings: &[Timing]) -> Tiles {
    let mut tiles = Tiles::default();
    for rule in timings.iter().filter(|t| t.rule) {
        let same = timings.iter().filter(|t| t.format == rule.format);
        let best = same.max_by(|a, b| a.rate.total_cmp(&b.rate)).expect("the rule's own");
        if best.rate > GAIN * rule.rate {
            *rule.format.tile(&mut tiles) = Some(best.width as u8);
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_must_clearly_beat_the_rule() {
        let timing = |format, width, rate, rule| Timing { format, width, rate, rule };
        let timings = [
            timing(Format::Ring, 4, 2.0, false),
            timing(Format::Ring, 8, 1.0, true),
            timing(Format::I16, 8, 1.04, false),
            timing(Format::I16, 16, 1.0, true),
            timing(Format::F32, 8, 3.0, true),
            timing(Format::F32, 16, 1.0, false),
        ];
        assert_eq!(fastest(&timings), Tiles { ring: Some(4), ..Tiles::default() });
    }
}
