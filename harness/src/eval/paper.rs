//! The rows of the paper's tables, on whatever model and data are given.

use masque_models::{GuidanceWeight, Sampler};

use super::rows::{Method, Row};
use crate::config::{Approx, Mode};
use crate::error::{Error, Result};

/// What rows of a table share.
#[derive(Clone, Debug)]
pub struct Base {
    /// Reading of the guidance's weight.
    pub weight: GuidanceWeight,
    /// Its cap.
    pub cap: Option<f64>,
    /// Steps where the paper takes 50.
    pub steps: usize,
    /// Classifier-free guidance.
    pub scale: f64,
    /// Perturbed-attention guidance.
    pub pag: Method,
    /// Steering.
    pub fks: Method,
}

impl Base {
    fn guidance(&self, eta: f64) -> Method {
        Method::Guidance { eta, weight: self.weight, cap: self.cap }
    }

    fn row(&self, approx: Approx, method: Method) -> Row {
        let (sampler, steps, scale) = (Sampler::Ddim, self.steps, self.scale);
        Row { approx, exact_ends: false, stress: None, method, sampler, steps, scale, mode: Mode::Plain }
    }
}

/// A table's title, and its rows with what the paper found.
pub struct Table {
    /// Heading.
    pub title: String,
    /// Rows.
    pub rows: Vec<(Row, Option<String>)>,
}

/// The strength the paper uses.
const ETA: f64 = 0.1;

/// The rows of a table.
pub fn table(number: u8, base: &Base) -> Result<Table> {
    use Approx::{CipherDm, Exact, Loose, Precise};
    let (none, ours) = (Method::None, base.guidance(ETA));
    let pcm = |steps, method| Row { sampler: Sampler::Pcm, steps, ..base.row(Loose, method) };
    let five = |figures: [&'static str; 5]| {
        let rows = [
            (Exact, none.clone()),
            (Precise, none.clone()),
            (Loose, none.clone()),
            (Precise, ours.clone()),
            (Loose, ours.clone()),
        ];
        rows.into_iter().zip(figures).map(|((approx, method), f)| (base.row(approx, method), f)).collect::<Vec<_>>()
    };
    let (what, rows) = match number {
        1 => (
            "approximations and guidance (MSCOCO: FID, CLIP-score, seconds and GB of one step)",
            five([
                "13.25 .3254 0.15 s",
                "13.28 .3264 3696 s 1122.51 GB",
                "15.52 .3240 3103 s 933.22 GB",
                "12.45 .3274 3698 s 1122.51 GB",
                "14.20 .3259 3105 s 933.22 GB",
            ]),
        ),
        2 => (
            "approximations and guidance (Flickr8k: FID, CLIP-score)",
            five(["21.17 .3369", "20.85 .3374", "23.25 .3347", "19.63 .3391", "21.47 .3372"]),
        ),
        3 => (
            "strength of the guidance (Flickr8k, Loose: FID, CLIP-score)",
            [(0.05, "21.85 .3367"), (0.1, "21.47 .3372"), (0.2, "21.25 .3376")]
                .map(|(eta, f)| (base.row(Loose, base.guidance(eta)), f))
                .to_vec(),
        ),
        4 => (
            "CipherDM's functions (binary MNIST: FID, F1, seconds and GB of an image)",
            vec![
                (base.row(Exact, none), "117.13 .8575 14.12 s"),
                (base.row(CipherDm, Method::None), "316.56 .0820 430.59 s 9.12 GB"),
                (base.row(CipherDm, ours), "242.65 .6000 442.23 s 9.14 GB"),
            ],
        ),
        5 => (
            "other methods on Loose (Flickr8k: FID, CLIP-score)",
            vec![
                (base.row(Loose, base.pag.clone()), "36.72 .3171"),
                (base.row(Loose, base.fks.clone()), "24.42 .3359"),
                (base.row(Loose, ours), "21.47 .3372"),
            ],
        ),
        6 => (
            "few steps, sampled as phased consistency models are, on Loose (Flickr8k: FID, CLIP-score)",
            vec![
                (pcm(8, none.clone()), "36.69 .3264"),
                (pcm(4, none), "53.80 .3183"),
                (pcm(8, ours.clone()), "27.23 .3350"),
                (pcm(4, ours), "36.69 .3264"),
            ],
        ),
        8 => (
            "exact text encoder and decoder (MSCOCO: FID, CLIP-score)",
            vec![
                (base.row(Loose, none.clone()), "15.52 .3240"),
                (Row { exact_ends: true, ..base.row(Loose, none) }, "14.22 .3257"),
                (Row { exact_ends: true, ..base.row(Loose, ours) }, "13.10 .3269"),
            ],
        ),
        7 | 9 => {
            let what = "times the network, not images: use harness bench with --link lan or --link wan";
            return Err(Error::Setting(format!("--table {number} {what}")));
        }
        _ => {
            return Err(Error::Setting(format!(
                "--table {number}: the paper has tables 1, 2, 3, 4, 5, 6 and 8 of images"
            )));
        }
    };
    let mut rows: Vec<(Row, Option<String>)> = rows.into_iter().map(|(row, f)| (row, Some(f.into()))).collect();
    // The exact images are the measure of distance even where the paper's table has no such row.
    for sibling in rows.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>() {
        let exact = Row { approx: Exact, exact_ends: false, method: Method::None, ..sibling };
        if rows.iter().all(|(r, _)| *r != exact) {
            rows.insert(0, (exact, None));
        }
    }
    Ok(Table { title: format!("The paper's table {number}: {what}"), rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base {
            weight: GuidanceWeight::Respaced,
            cap: None,
            steps: 50,
            scale: 7.5,
            pag: Method::Pag { scale: 3.0, block: "mid_block".into() },
            fks: Method::Fks { particles: 4, lambda: 10.0, selections: 4 },
        }
    }

    #[test]
    fn every_table_of_images_has_its_rows_and_an_exact_one_to_compare_with() {
        for (number, rows) in [(1, 5), (2, 5), (3, 3), (4, 3), (5, 3), (6, 4), (8, 3)] {
            let table = table(number, &base()).expect("a table of images");
            assert_eq!(table.rows.iter().filter(|(_, paper)| paper.is_some()).count(), rows, "table {number}");
            for (row, _) in &table.rows {
                let exact = table.rows.iter().filter(|(r, _)| r.is_reference() && r.is_sibling(row)).count();
                assert_eq!(exact, 1, "table {number}: {}", row.name());
            }
        }
        assert_eq!(table(6, &base()).expect("a table").rows.len(), 6);
    }

    #[test]
    fn latency_tables_say_where_they_are_made() {
        for number in [7, 9] {
            let text = table(number, &base()).err().expect("no images there").one_line();
            assert!(text.contains("harness bench"), "{text}");
        }
        assert!(table(10, &base()).is_err());
    }
}
