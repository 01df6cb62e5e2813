//! From the engine's floats to pictures, and how far two sets of floats are apart.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Pictures narrower than this are enlarged in the grid.
const COMFORTABLE: usize = 224;
/// Widest grid in pixels that enlarging may make.
const WIDEST: usize = 2048;
/// Pixels between pictures of the grid.
const GAP: usize = 4;

/// Pictures of one size, 8 bits per channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// Width of each.
    pub width: usize,
    /// Height of each.
    pub height: usize,
    /// 1 grey, 3 red-green-blue.
    pub channels: usize,
    /// One row-major buffer per picture.
    pub pixels: Vec<Vec<u8>>,
}

impl Pictures {
    /// Converts `[n, h, w, c]` as diffusers does: `(x / 2 + 0.5)` clamped to [0, 1], times 255, rounded half to even.
    pub fn from_floats(values: &[f32], extents: [usize; 4]) -> Result<Self> {
        let [n, height, width, channels] = extents;
        if !matches!(channels, 1 | 3) {
            return Err(Error::Images(format!("{channels} channels; only 1 (grey) and 3 (colour) can be shown")));
        }
        let size = height.checked_mul(width).and_then(|s| s.checked_mul(channels)).unwrap_or(usize::MAX);
        if n == 0 || size == 0 || size.checked_mul(n) != Some(values.len()) {
            return Err(Error::Images(format!("{} values do not fill {extents:?}", values.len())));
        }
        let mut pixels = Vec::with_capacity(n);
        for (index, picture) in values.chunks_exact(size).enumerate() {
            if picture.iter().any(|v| !v.is_finite()) {
                return Err(Error::Images(format!("image {index} holds values that are not finite")));
            }
            pixels.push(picture.iter().map(|v| to_byte(*v)).collect());
        }
        Ok(Self { width, height, channels, pixels })
    }

    /// The first of several sets of one size, at most this many.
    pub fn joined(sets: Vec<Self>, most: usize) -> Self {
        let mut sets = sets.into_iter();
        let mut all = sets.next().unwrap_or(Self { width: 0, height: 0, channels: 1, pixels: vec![] });
        all.pixels.extend(sets.flat_map(|set| set.pixels));
        all.pixels.truncate(most);
        all
    }

    /// Every picture as a PNG file.
    pub fn to_pngs(&self) -> Result<Vec<Vec<u8>>> {
        self.pixels.iter().map(|p| png(p, self.width, self.height, self.channels)).collect()
    }

    /// All pictures side by side in a near-square grid, tiny ones enlarged without smoothing, as one PNG file.
    pub fn grid(&self) -> Result<Vec<u8>> {
        let columns = (1..).find(|c| c * c >= self.pixels.len()).unwrap_or(1);
        let rows = self.pixels.len().div_ceil(columns);
        let roomy = WIDEST / (columns.max(rows) * self.width.max(self.height));
        let zoom = COMFORTABLE.div_ceil(self.width.max(self.height)).min(roomy).max(1);
        let (cell_w, cell_h) = (self.width * zoom + GAP, self.height * zoom + GAP);
        let (grid_w, grid_h) = (columns * cell_w + GAP, rows * cell_h + GAP);
        let mut canvas = vec![255; grid_w * grid_h * self.channels];
        for (index, picture) in self.pixels.iter().enumerate() {
            let (left, top) = (index % columns * cell_w + GAP, index / columns * cell_h + GAP);
            for y in 0..self.height * zoom {
                for x in 0..self.width * zoom {
                    let from = (y / zoom * self.width + x / zoom) * self.channels;
                    let to = ((top + y) * grid_w + left + x) * self.channels;
                    canvas[to..to + self.channels].copy_from_slice(&picture[from..from + self.channels]);
                }
            }
        }
        png(&canvas, grid_w, grid_h, self.channels)
    }
}

/// File name of a picture. It carries its number only: the class is the client's secret.
pub fn file_name(index: usize) -> String {
    format!("image-{index:04}.png")
}

fn to_byte(x: f32) -> u8 {
    ((x / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

fn png(pixels: &[u8], width: usize, height: usize, channels: usize) -> Result<Vec<u8>> {
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let extent = |n: usize| u32::try_from(n).map_err(|_| Error::Images(format!("{n} pixels are too many for PNG")));
    let mut file = Cursor::new(Vec::new());
    PngEncoder::new(&mut file)
        .write_image(pixels, extent(width)?, extent(height)?, colour)
        .map_err(|e| Error::Images(format!("cannot be encoded as PNG: {e}")))?;
    Ok(file.into_inner())
}

/// Distance between two runs, over all values of all images, before clamping and rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Mean absolute difference.
    pub mean_abs: f64,
    /// Peak signal-to-noise ratio for a range of [-1, 1], that is a peak of 2; absent if the runs are identical.
    pub psnr_db: Option<f64>,
}

impl Fidelity {
    /// The distance over the images of two comparisons, of which there were so many.
    pub fn joined(&self, other: &Self, images: [u64; 2]) -> Self {
        let [a, b] = images.map(|n| n as f64 / (images[0] + images[1]).max(1) as f64);
        let square = |f: &Self| f.psnr_db.map_or(0.0, |db| 4.0 / 10f64.powf(db / 10.0));
        let mean_square = a * square(self) + b * square(other);
        Self {
            max_abs: self.max_abs.max(other.max_abs),
            mean_abs: a * self.mean_abs + b * other.mean_abs,
            psnr_db: (mean_square > 0.0).then(|| 10.0 * (4.0 / mean_square).log10()),
        }
    }
}

/// Compares two runs.
pub fn compare(a: &[f32], b: &[f32]) -> Result<Fidelity> {
    if a.len() != b.len() || a.is_empty() {
        return Err(Error::Images(format!("{} values cannot be compared with {}", a.len(), b.len())));
    }
    let (mut max_abs, mut sum, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (x, y) in a.iter().zip(b) {
        let d = (f64::from(*x) - f64::from(*y)).abs();
        if !d.is_finite() {
            return Err(Error::Images("values that are not finite cannot be compared".into()));
        }
        max_abs = max_abs.max(d);
        sum += d;
        squares += d * d;
    }
    let n = a.len() as f64;
    let psnr_db = (squares > 0.0).then(|| 10.0 * (4.0 * n / squares).log10());
    Ok(Fidelity { max_abs, mean_abs: sum / n, psnr_db })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_diffusers_makes_them() {
        // 0.0 lies between 127 and 128, and the even one wins.
        let cases = [(-1.0, 0), (1.0, 255), (0.0, 128), (-3.0, 0), (3.0, 255), (2.0 / 255.0 - 1.0, 1), (-0.5, 64)];
        for (x, byte) in cases {
            assert_eq!(to_byte(x), byte, "at {x}");
        }
    }

    fn decode(file: &[u8]) -> image::DynamicImage {
        image::load_from_memory_with_format(file, image::ImageFormat::Png).expect("a PNG file")
    }

    #[test]
    fn grey_and_colour_survive_the_file() {
        let grey = Pictures::from_floats(&[-1.0, 1.0, 1.0, -1.0, 1.0, 1.0], [1, 2, 3, 1]).expect("grey");
        let file = decode(&grey.to_pngs().expect("encodes")[0]);
        assert_eq!((file.width(), file.height(), file.color()), (3, 2, image::ColorType::L8));
        assert_eq!(file.into_bytes(), [0, 255, 255, 0, 255, 255]);
        let colour = Pictures::from_floats(&[-1.0, 0.0, 1.0, 1.0, -1.0, -1.0], [2, 1, 1, 3]).expect("colour");
        let files = colour.to_pngs().expect("encodes");
        assert_eq!(decode(&files[0]).into_bytes(), [0, 128, 255]);
        assert_eq!(decode(&files[1]).into_bytes(), [255, 0, 0]);
    }

    #[test]
    fn the_grid_enlarges_and_keeps_order() {
        let pictures = Pictures::from_floats(&[-1.0, 1.0, 0.0], [3, 1, 1, 1]).expect("three dots");
        let grid = decode(&pictures.grid().expect("encodes")).into_luma8();
        let cell = (COMFORTABLE + GAP) as u32;
        assert_eq!(grid.dimensions(), (2 * cell + GAP as u32, 2 * cell + GAP as u32));
        let at = |column: u32, row: u32| grid.get_pixel(column * cell + 9, row * cell + 9).0[0];
        assert_eq!([at(0, 0), at(1, 0), at(0, 1), at(1, 1)], [0, 255, 128, 255]);
    }

    #[test]
    fn large_pictures_are_not_enlarged() {
        let pictures = Pictures::from_floats(&vec![0.0; 512 * 512 * 3], [1, 512, 512, 3]).expect("one picture");
        assert_eq!(decode(&pictures.grid().expect("encodes")).width() as usize, 512 + 2 * GAP);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let bad: [(&[f32], [usize; 4]); 6] = [
            (&[0.0; 4], [1, 2, 2, 2]),
            (&[0.0; 4], [1, 2, 2, 3]),
            (&[], [0, 2, 2, 1]),
            (&[], [1, 0, 2, 1]),
            (&[0.0; 4], [1, usize::MAX, 2, 1]),
            (&[0.0, 0.0, 0.0, f32::NAN], [2, 2, 1, 1]),
        ];
        for (values, extents) in bad {
            assert!(Pictures::from_floats(values, extents).is_err(), "{extents:?} was accepted");
        }
    }

    #[test]
    fn distances_of_portions_are_that_of_the_whole() {
        let (a, b) = ([0.0, 0.5, -0.5, 1.0, 0.25, 0.75], [0.0, 0.4, -0.5, 1.2, 0.25, 0.5]);
        let whole = compare(&a, &b).expect("comparable");
        let [first, second] = [compare(&a[..4], &b[..4]), compare(&a[4..], &b[4..])].map(|f| f.expect("comparable"));
        let joined = first.joined(&second, [2, 1]);
        assert!((joined.mean_abs - whole.mean_abs).abs() < 1e-9 && joined.max_abs == whole.max_abs);
        assert!((joined.psnr_db.expect("different") - whole.psnr_db.expect("different")).abs() < 1e-9);
        let same = compare(&a, &a).expect("comparable");
        assert_eq!(same.joined(&same, [1, 1]).psnr_db, None);
    }

    #[test]
    fn distances() {
        let f = compare(&[0.0, 0.5, -0.5, 1.0], &[0.0, 0.4, -0.5, 1.2]).expect("comparable");
        assert!((f.max_abs - 0.2).abs() < 1e-6 && (f.mean_abs - 0.075).abs() < 1e-6);
        // mse = (0.01 + 0.04) / 4 = 0.0125; 10 log10(4 / 0.0125) = 25.0515
        assert!((f.psnr_db.expect("different") - 25.0515).abs() < 1e-3);
        assert_eq!(compare(&[0.5], &[0.5]).expect("comparable").psnr_db, None);
        assert!(compare(&[0.5], &[]).is_err() && compare(&[], &[]).is_err());
        assert!(compare(&[f32::NAN], &[0.0]).is_err());
    }
}
