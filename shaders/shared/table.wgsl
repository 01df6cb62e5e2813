// A function given by polynomials on half-open intervals. Needs in `p`: borders and width (coefficients per interval),
// and `table`: borders ascending, then borders + 1 polynomials with ascending powers. Needs F.
#ifdef QUAD
// Every polynomial for all four: a coefficient is loaded once for them.
fn table_at(x: F) -> F {
    var result = F();
    for (var s = 0u; s <= p.borders; s++) {
        let at = p.borders + s * p.width;
        var y = F();
        for (var j = p.width; j > 0u; j--) { y = y * x + table[at + j - 1u]; }
        if (s == 0u) { result = y; } else { result = select(result, y, x >= F(table[s - 1u])); }
    }
    return result;
}
#else
fn table_at(x: F) -> F {
    var s = 0u;
    for (var i = 0u; i < p.borders; i++) {
        if (x >= table[i]) { s++; }
    }
    let at = p.borders + s * p.width;
    var y = 0.0;
    for (var j = p.width; j > 0u; j--) { y = y * x + table[at + j - 1u]; }
    return y;
}
#endif
