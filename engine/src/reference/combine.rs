//! Combining four nibbles of a comparison on shares.

use super::compare_products::FACTORS;

/// Share of the product of masked bits v = m ^ a, by expanding it: every subset of the factors contributes its public bits
/// times the dealt product of the others' masks.
fn product(m: u32, a: u32, w: u32, first: u32, factors: &[u32]) -> u32 {
    let mut share = 0;
    for subset in 0..1u32 << factors.len() {
        let (mut public, mut masked) = (1, vec![]);
        for (i, f) in factors.iter().enumerate() {
            if subset >> i & 1 == 1 {
                public &= m >> f & 1;
            } else {
                masked.push(*f);
            }
        }
        let dealt = match masked[..] {
            [] => first,
            [f] => a >> f & 1,
            _ => w >> FACTORS.iter().position(|p| *p == masked).expect("a dealt product") & 1,
        };
        share ^= public & dealt;
    }
    share
}

/// Share of g3 ^ e3 g2 ^ e3 e2 g1 ^ e3 e2 e1 g0 in bit 0, and of e3 e2 e1 e0 in bit 1. `m`: opened byte, `a`: own mask byte,
/// `w`: own share of the products.
pub fn combine(m: u32, a: u32, w: u32, first: u32) -> u32 {
    let [g0, g1, g2, g3, e0, e1, e2, e3] = [0, 1, 2, 3, 4, 5, 6, 7];
    let less: [&[u32]; 4] = [&[g3], &[e3, g2], &[e3, e2, g1], &[e3, e2, e1, g0]];
    let all = product(m, a, w, first, &[e3, e2, e1, e0]);
    less.iter().fold(0, |v, f| v ^ product(m, a, w, first, f)) | all << 1
}

#[cfg(test)]
mod tests {
    use super::super::compare_products::products;
    use super::combine;

    #[test]
    fn two_shares_make_less_and_equal() {
        for byte in 0..256u32 {
            for mask in 0..256u32 {
                let w = products(mask, 0);
                // Sharings that no bit of the inputs determines.
                let noise = (byte * 256 + mask).wrapping_mul(0x9e37_79b9);
                let (a, p) = (noise >> 24, noise >> 3);
                let own = combine(byte ^ mask, a, p, 1) ^ combine(byte ^ mask, a ^ mask, p ^ w, 0);
                let [g0, g1, g2, g3, e0, e1, e2, e3] = std::array::from_fn(|i| byte >> i & 1);
                let less = g3 ^ (e3 & g2) ^ (e3 & e2 & g1) ^ (e3 & e2 & e1 & g0);
                assert_eq!(own, less | (e3 & e2 & e1 & e0) << 1, "byte {byte:08b} mask {mask:08b}");
            }
        }
    }
}
