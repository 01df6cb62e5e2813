//! Weights by a rule, so that nobody has to download gigabytes of numbers to measure a model of full size.
//!
//! All arithmetic modulo 2^64, indices from 0:
//!
//! ```text
//! h     = FNV-1a of the bytes of "<tag>/<tensor name>"
//! z_i   = splitmix64's finaliser of h + (i + 1) 0x9e3779b97f4a7c15, i the row-major index
//! u_i   = (z_i >> 40) 2^-23 - 1                     exact in f32, in [-1, 1)
//! value = base + amplitude u_i                      each step rounded to f32
//! ```
//!
//! | tensor | amplitude | base |
//! | --- | --- | --- |
//! | rank 2 and more, name ends in `class_embedding.weight` | 1 | 0 |
//! | rank 2 and more, name ends in `embedding.weight` | 0.05 | 0 |
//! | rank 2 and more | sqrt(3 / product of all extents but the first) | 0 |
//! | rank 1, name ends in `.weight` (normalisations) | 0.1 | 1 |
//! | rank 1, otherwise | 0.1 | 0 |
//!
//! `assets/scripts/make_fixtures.py` has the same rule in Python.

use std::collections::HashMap;
use std::io::{self, Write};

use half::f16;
use masque_engine::graph::{Shape, Tensor, WeightError, WeightSpec, WeightStore, elements};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

/// `amplitude u_i + base` for the first `n` indices of the stream of that key.
pub fn stream(key: &str, n: usize, amplitude: f64, base: f32) -> Vec<f32> {
    let amplitude = amplitude as f32;
    words(key).take(n).map(|z| base + amplitude * ((z >> 40) as f32 * 2f32.powi(-23) - 1.0)).collect()
}

fn words(key: &str) -> impl Iterator<Item = u64> {
    let fnv = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// The weights of a tensor by the rule.
pub fn tensor(tag: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let (amplitude, base) = match shape {
        [_, inner @ ..] if !inner.is_empty() => {
            if name.ends_with("class_embedding.weight") {
                (1.0, 0.0)
            } else if name.ends_with("embedding.weight") {
                (0.05, 0.0)
            } else {
                ((3.0 / elements(inner) as f64).sqrt(), 0.0)
            }
        }
        _ if name.ends_with(".weight") => (0.1, 1.0),
        _ => (0.1, 0.0),
    };
    stream(&format!("{tag}/{name}"), elements(shape), amplitude, base)
}

/// A model's weights by the rule, made when they are asked for.
#[derive(Debug)]
pub struct RuleWeights {
    tag: String,
    shapes: HashMap<String, Shape>,
}

impl RuleWeights {
    /// The weights that a graph names, under the model's tag.
    pub fn new(tag: &str, specs: impl IntoIterator<Item = WeightSpec>) -> Self {
        Self { tag: tag.into(), shapes: specs.into_iter().map(|w| (w.name, w.shape)).collect() }
    }
}

impl WeightStore for RuleWeights {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        match self.shapes.get(name) {
            Some(shape) => Ok(Tensor { shape: shape.clone(), data: tensor(&self.tag, name, shape) }),
            None => Err(WeightError::Missing { store: format!("rule {}", self.tag), tensor: name.into() }),
        }
    }

    fn digest(&self) -> [u8; 32] {
        let mut names: Vec<_> = self.shapes.iter().collect();
        names.sort();
        Sha256::digest(format!("rule 1 {} {names:?}", self.tag)).into()
    }
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: exactly the rule.
    Single,
    /// 16 bits: the rule, rounded.
    Half,
}

/// The beginning of a safetensors file of these weights, and the bytes that the whole file has.
pub fn header(specs: &[WeightSpec], precision: Precision) -> (Vec<u8>, u64) {
    let (dtype, size) = match precision {
        Precision::Single => ("F32", 4),
        Precision::Half => ("F16", 2),
    };
    let (mut fields, mut end) = (Map::new(), 0);
    fields.insert("__metadata__".into(), json!({"format": "pt"}));
    for w in specs {
        let start = end;
        end += elements(&w.shape) * size;
        fields.insert(w.name.clone(), json!({"dtype": dtype, "shape": w.shape, "data_offsets": [start, end]}));
    }
    let mut text = serde_json::Value::Object(fields).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let header = [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat();
    let bytes = header.len() + end;
    (header, bytes as u64)
}

/// Writes a safetensors file of these weights, one tensor in memory at a time. Returns its bytes.
pub fn write(out: &mut impl Write, tag: &str, specs: &[WeightSpec], precision: Precision) -> io::Result<u64> {
    let (header, bytes) = header(specs, precision);
    out.write_all(&header)?;
    for w in specs {
        let values = tensor(tag, &w.name, &w.shape);
        let bytes: Vec<u8> = match precision {
            Precision::Single => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Precision::Half => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
        };
        out.write_all(&bytes)?;
    }
    Ok(bytes)
}
