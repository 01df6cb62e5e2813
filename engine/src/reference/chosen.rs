//! A bit times a masked value.

/// Own share of `ind (d - M)`, where `ind` is `beta` or, with `on`, `1 - beta`; from own shares of M, beta and beta M.
pub fn chosen(d: u32, own: u32, [product, beta]: [u32; 2], on: bool, first: u32) -> u32 {
    let selected = d.wrapping_mul(beta).wrapping_sub(product);
    let whole = first.wrapping_mul(d).wrapping_sub(own);
    if on { whole.wrapping_sub(selected) } else { selected }
}
