//! Joining channels and nearest-neighbour upsampling.

/// `[rows, ca] ++ [rows, cb]`
pub fn concat<T: Copy>(a: &[T], ca: usize, b: &[T], cb: usize) -> Vec<T> {
    a.chunks(ca).zip(b.chunks(cb)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}

/// `out[n, y, x, c] = image[n, y / 2, x / 2, c]`
pub fn upsample<T: Copy>(image: &[T], [n, h, w, c]: [usize; 4]) -> Vec<T> {
    let mut out = Vec::with_capacity(4 * image.len());
    for i in 0..n {
        for y in 0..2 * h {
            for x in 0..2 * w {
                let at = ((i * h + y / 2) * w + x / 2) * c;
                out.extend_from_slice(&image[at..at + c]);
            }
        }
    }
    out
}
