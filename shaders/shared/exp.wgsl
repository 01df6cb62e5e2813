// exp(x) to about 1e-7 relative on every adapter (WGSL's own may lose several bits); 0 below -87, at most exp(88). Needs F, I and U.
fn exp_f32(x: F) -> F {
    let t = clamp(x, F(-87.0), F(88.0));
    let n = round(t * 1.44269504);
    // x - n ln 2 with ln 2 in two parts; polynomial of Cephes' expf.
    let r = (t - n * 0.693359375) + n * 2.12194440e-4;
    var q = F(1.9875691500e-4);
    q = q * r + 1.3981999507e-3;
    q = q * r + 8.3334519073e-3;
    q = q * r + 4.1665795894e-2;
    q = q * r + 1.6666665459e-1;
    q = q * r + 5.0000001201e-1;
    let y = (q * r * r + r + 1.0) * bitcast<F>(U(I(n) + I(127)) << U(23u));
    return select(y, F(), x < F(-87.0));
}
