// Own share of ind (d - M) modulo a power of two up to 2^32: ind = q + (1 - 2 q) beta, `on` all ones where q is 1, else 0;
// `own` is the own share of M, `product` that of beta M. `public_part` is all ones for the party that adds the public part.
fn chosen(d: u32, own: u32, beta: u32, product: u32, on: u32, public_part: u32) -> u32 {
    let whole = (d & public_part) - own;
    let selected = d * beta - product;
    // selected, or where q is 1 whole - selected.
    return ((selected ^ on) - on) + (whole & on);
}
