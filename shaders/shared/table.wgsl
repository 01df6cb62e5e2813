// A function given by polynomials on half-open intervals. Needs in `p`: borders and width (coefficients per interval),
// and `table`: borders ascending, then borders + 1 polynomials with ascending powers.
fn table_at(x: f32) -> f32 {
    var s = 0u;
    for (var i = 0u; i < p.borders; i++) {
        if (x >= table[i]) { s++; }
    }
    let at = p.borders + s * p.width;
    var y = 0.0;
    for (var j = p.width; j > 0u; j--) { y = y * x + table[at + j - 1u]; }
    return y;
}
