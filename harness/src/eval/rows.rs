//! What is compared: a row for each way to make the images.

use masque_engine::functions::Functions;
use masque_models::evaluation::{self, Settings, Steering};
use masque_models::{GuidanceWeight, Sampler};
use serde::{Deserialize, Serialize};

use super::stress::Stress;
use crate::config::{Approx, Mode};

/// What is done against the error of the functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Nothing.
    None,
    /// The paper's guidance.
    Guidance {
        /// Strength.
        eta: f64,
        /// Reading of its weight.
        weight: GuidanceWeight,
        /// Largest `eta w_t`.
        cap: Option<f64>,
    },
    /// Perturbed-attention guidance.
    Pag {
        /// Scale.
        scale: f64,
        /// Perturbed block.
        block: String,
    },
    /// Feynman-Kac steering with the judge as its verifier.
    Fks {
        /// Samples an image.
        particles: usize,
        /// Sharpness.
        lambda: f64,
        /// Selections while sampling.
        selections: usize,
    },
}

/// One way to make the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Functions of the network.
    pub approx: Approx,
    /// Whether text encoder and decoder run with exact functions.
    pub exact_ends: bool,
    /// Functions made worse than `approx`, if any.
    pub stress: Option<Stress>,
    /// Method.
    pub method: Method,
    /// Sampler.
    pub sampler: Sampler,
    /// Its steps.
    pub steps: usize,
    /// Classifier-free guidance; 1 is none.
    pub scale: f64,
    /// In plaintext or on shares.
    pub mode: Mode,
}

impl Row {
    /// Name in tables: what sets the row apart.
    pub fn name(&self) -> String {
        let mut name = format!("{:?}", self.approx).to_lowercase();
        if self.exact_ends {
            name += ", exact ends";
        }
        if let Some(stress) = &self.stress {
            name += &format!(", {stress}");
        }
        match &self.method {
            Method::None => {}
            Method::Guidance { eta, weight, cap } => {
                name += &format!(" + guidance {eta} {weight}");
                if let Some(cap) = cap {
                    name += &format!(" capped at {cap}");
                }
            }
            Method::Pag { scale, .. } => name += &format!(" + PAG {scale}"),
            Method::Fks { particles, .. } => name += &format!(" + FKS {particles}"),
        }
        name += &format!(" \u{b7} {} {}", self.sampler, self.steps);
        if self.mode == Mode::Secure {
            name += " \u{b7} on shares";
        }
        name
    }

    /// Name of the row's folder: [`Row::name`] in letters, digits, dots and dashes.
    pub fn folder(&self) -> String {
        let name = format!("{} scale {}", self.name().replace('\u{b7}', ""), self.scale);
        let clean = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let mut folder: String = name.chars().map(clean).collect();
        while folder.contains("--") {
            folder = folder.replace("--", "-");
        }
        folder
    }

    /// Functions of the network.
    pub fn functions(&self) -> Functions {
        match &self.stress {
            Some(stress) => stress.functions(self.approx.into()),
            None => Functions::from(masque_engine::approx::Approx::from(self.approx)),
        }
    }

    /// Functions of text encoder and decoder.
    pub fn end_functions(&self) -> Functions {
        if self.exact_ends { Functions::default() } else { self.functions() }
    }

    /// The sampling this means.
    pub fn settings(&self) -> Settings {
        let method = match &self.method {
            Method::None => evaluation::Method::Plain,
            Method::Guidance { eta, weight, cap } => {
                evaluation::Method::Score { eta: *eta, weight: *weight, cap: *cap }
            }
            Method::Pag { scale, block } => {
                evaluation::Method::PerturbedAttention { scale: *scale, block: block.clone() }
            }
            Method::Fks { particles, lambda, selections } => evaluation::Method::Steered(Steering {
                particles: *particles,
                lambda: *lambda,
                every: self.steps.div_ceil(selections + 1).max(1),
            }),
        };
        let (sampler, steps, scale) = (self.sampler, self.steps, self.scale);
        Settings { sampler, steps, scale, functions: self.functions(), method }
    }

    /// Evaluations of the network for one image and step.
    pub fn evaluations(&self) -> usize {
        let one = if self.scale == 1.0 { 1 } else { 2 };
        match &self.method {
            Method::Fks { particles, .. } => one * particles,
            Method::Pag { .. } => one + 1,
            _ => one,
        }
    }

    /// Whether the row is what others are compared with: exact functions and no method, in plaintext.
    pub fn is_reference(&self) -> bool {
        self.approx == Approx::Exact && self.stress.is_none() && self.method == Method::None && self.mode == Mode::Plain
    }

    /// Whether two rows differ in functions and method only: their images start from the same noise and take the same
    /// steps.
    pub fn is_sibling(&self, other: &Row) -> bool {
        self.sampler == other.sampler && self.steps == other.steps && self.scale == other.scale
    }
}

/// Lists whose product is the rows.
#[derive(Clone, Debug)]
pub struct Product {
    /// Functions.
    pub approx: Vec<Approx>,
    /// Functions made worse; none for the sets as they are.
    pub stress: Vec<Stress>,
    /// Methods.
    pub methods: Vec<Method>,
    /// Samplers with their steps.
    pub samplers: Vec<(Sampler, usize)>,
    /// Classifier-free guidance.
    pub scale: f64,
    /// In plaintext, on shares.
    pub modes: Vec<Mode>,
}

impl Product {
    /// The rows, without repetitions.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut add = |row: Row| {
            if !rows.contains(&row) {
                rows.push(row);
            }
        };
        let stress: Vec<Option<&Stress>> =
            if self.stress.is_empty() { vec![None] } else { self.stress.iter().map(Some).collect() };
        for &mode in &self.modes {
            for &(sampler, steps) in &self.samplers {
                let row = |approx, stress: Option<&Stress>, method| Row {
                    approx,
                    exact_ends: false,
                    stress: stress.cloned(),
                    method,
                    sampler,
                    steps,
                    scale: self.scale,
                    mode,
                };
                // Broken images are measured by their distance from the exact ones.
                if !self.stress.is_empty() {
                    add(row(Approx::Exact, None, Method::None));
                }
                for &approx in &self.approx {
                    for stress in &stress {
                        self.methods.iter().for_each(|method| add(row(approx, *stress, method.clone())));
                    }
                }
            }
        }
        rows
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain row of 50 steps.
    pub(crate) fn row(approx: Approx, method: Method) -> Row {
        let (sampler, steps) = (Sampler::Ddim, 50);
        Row { approx, exact_ends: false, stress: None, method, sampler, steps, scale: 1.0, mode: Mode::Plain }
    }

    pub(crate) fn guidance(eta: f64) -> Method {
        Method::Guidance { eta, weight: GuidanceWeight::Respaced, cap: None }
    }

    fn product() -> Product {
        Product {
            approx: vec![Approx::Exact, Approx::Loose],
            stress: vec![],
            methods: vec![Method::None, guidance(0.1), guidance(0.2)],
            samplers: vec![(Sampler::Ddim, 50), (Sampler::Pcm, 8)],
            scale: 1.0,
            modes: vec![Mode::Plain],
        }
    }

    #[test]
    fn rows_are_the_product_without_repetitions() {
        assert_eq!(product().rows().len(), 12);
        let twice = Product { approx: vec![Approx::Loose; 2], methods: vec![guidance(0.1); 3], ..product() };
        assert_eq!(twice.rows().len(), 2);
        let stress: Vec<Stress> = ["bits:4", "exp-degree:2"].iter().map(|s| s.parse().expect("known")).collect();
        let rows = Product { stress, approx: vec![Approx::Loose], ..product() }.rows();
        assert_eq!(rows.len(), 2 * (1 + 2 * 3));
        assert!(rows[0].is_reference() && rows[1..7].iter().all(|r| !r.is_reference() && r.is_sibling(&rows[0])));
        assert!(!rows[7].is_sibling(&rows[0]));
    }

    #[test]
    fn names_and_folders_differ_where_rows_do() {
        let mut rows = product().rows();
        rows.push(row(Approx::Loose, Method::Guidance { eta: 0.1, weight: GuidanceWeight::Snr, cap: Some(1.0) }));
        rows.push(Row { exact_ends: true, ..row(Approx::Loose, Method::None) });
        rows.push(Row { mode: Mode::Secure, ..row(Approx::Loose, Method::None) });
        rows.push(Row { scale: 2.0, ..row(Approx::Loose, Method::None) });
        let mut folders: Vec<String> = rows.iter().map(Row::folder).collect();
        assert_eq!(row(Approx::Loose, guidance(0.1)).name(), "loose + guidance 0.1 respaced \u{b7} ddim 50");
        assert_eq!(folders[0], "exact-ddim-50-scale-1");
        folders.sort();
        folders.dedup();
        assert_eq!(folders.len(), rows.len());
        assert!(folders.iter().all(|f| f.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')));
    }

    #[test]
    fn work_is_counted_in_evaluations() {
        let pag = Method::Pag { scale: 3.0, block: "mid_block".into() };
        let fks = Method::Fks { particles: 4, lambda: 10.0, selections: 4 };
        assert_eq!(row(Approx::Loose, pag.clone()).evaluations(), 2);
        assert_eq!(Row { scale: 2.0, ..row(Approx::Loose, pag) }.evaluations(), 3);
        assert_eq!(row(Approx::Loose, fks.clone()).evaluations(), 4);
        match row(Approx::Loose, fks).settings().method {
            evaluation::Method::Steered(s) => assert_eq!(s.every, 10),
            other => panic!("{other:?}"),
        }
    }
}
