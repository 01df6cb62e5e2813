//! Multi-head attention core.

use super::{Op, Shape};

/// `softmax(q k^T / sqrt(d)) v` per head, on `[n, t, heads * d]`.
#[derive(Debug)]
pub struct Attention {
    /// Number of heads; divides the width.
    pub heads: usize,
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [q, k, v] = inputs else { return Err(format!("takes 3 inputs, got {}", inputs.len())) };
        let ([n, _, c], [nk, tk, ck], [nv, tv, cv]) = (q.as_slice(), k.as_slice(), v.as_slice()) else {
            return Err("needs [n, t, c] three times".into());
        };
        if n != nk || n != nv || tk != tv || c != ck || c != cv {
            return Err("extents differ".into());
        }
        if self.heads == 0 || !c.is_multiple_of(self.heads) {
            return Err(format!("{} heads do not divide width {c}", self.heads));
        }
        Ok((*q).clone())
    }
}
