//! Joining and taking channels, nearest-neighbour upsampling.

/// `[rows, ca] ++ [rows, cb]`
pub fn concat<T: Copy>(a: &[T], ca: usize, b: &[T], cb: usize) -> Vec<T> {
    a.chunks(ca).zip(b.chunks(cb)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}

/// `x[row, start..start + cols]` for rows of `stride`.
pub fn slice<T: Copy>(x: &[T], stride: usize, start: usize, cols: usize) -> Vec<T> {
    x.chunks(stride).flat_map(|row| row[start..start + cols].iter().copied()).collect()
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

params!(
    /// As in the shader without switches.
    Params { n: usize, cols: usize, stride: usize, start: usize, out_stride: usize, out_start: usize }
);

params!(
    /// As in the shader with `UPSAMPLE`.
    UpsampleParams {
        n: usize, cols: usize, stride: usize, start: usize, out_stride: usize, out_start: usize, h: usize, w: usize
    }
);

/// Without switches, and `F32`.
pub fn copy<T: Copy>(p: &Params, x: &[T], out: &mut [T]) {
    for t in 0..p.n {
        let (row, col) = (t / p.cols, t % p.cols);
        out[row * p.out_stride + p.out_start + col] = x[row * p.stride + p.start + col];
    }
}

/// `UPSAMPLE`, and `F32 UPSAMPLE`.
pub fn upsampled<T: Copy>(p: &UpsampleParams, x: &[T], out: &mut [T]) {
    for t in 0..p.n {
        let (row, col) = (t / p.cols, t % p.cols);
        let (image, y, z) = (row / (p.h * p.w), row / p.w % p.h, row % p.w);
        let source = (image * (p.h / 2) + y / 2) * (p.w / 2) + z / 2;
        out[row * p.out_stride + p.out_start + col] = x[source * p.stride + p.start + col];
    }
}
